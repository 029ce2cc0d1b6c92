//! What a broker that was killed has brought back of its durable queues and bindings.

use std::path::Path;

use super::control::evaluate;
use crate::Error;

/// How a broker has come back.
pub(super) enum Recovery {
    /// With everything.
    Whole,
    /// Without these bindings, which have been made again.
    Mended(String),
    /// Without these queues, in Erlang's notation.
    Lost(String),
}

/// `Lost` is the list of durable queues that nobody minds, and of durable bindings by which nothing is routed (bindings by
/// headers are left out). Queues whose process fails at first are started again by their supervisor, hence the patience.
const RECOVER: &str = r#"
Routes = fun(X, Key, Destination) ->
  Message = rabbit_basic:message(element(2, X), Key, [], <<>>),
  lists:member(Destination, rabbit_exchange:route(X, rabbit_basic:delivery(false, false, Message, undefined)))
end,
Queues = fun() ->
  [Q || Q <- mnesia:dirty_all_keys(rabbit_durable_queue), element(1, rabbit_amqqueue:lookup(Q)) =/= ok]
end,
Bindings = fun() ->
  [B || B = {binding, Source, Key, Destination, _} <- mnesia:dirty_all_keys(rabbit_durable_route),
    case rabbit_exchange:lookup(Source) of
      {ok, X} -> proplists:get_value(type, rabbit_exchange:info(X, [type])) =/= headers
                 andalso not Routes(X, Key, Destination);
      _ -> true
    end]
end,
Wait = fun Wait(0) -> Queues();
           Wait(Left) -> case Queues() of [] -> []; _ -> timer:sleep(100), Wait(Left - 1) end end,
case Wait(100) of
  [] -> case Bindings() of
    [] -> whole;
    Lost ->
      [begin rabbit_binding:remove(B, <<"test">>), ok = rabbit_binding:add(B, <<"test">>) end || B <- Lost],
      {mended, Lost}
    end;
  Lost -> {lost, Lost}
end.
"#;

/// Looks what is missing, and makes bindings again.
pub(super) fn recover(control: &Path) -> Result<Recovery, Error> {
    let answer = evaluate(control, RECOVER)?;
    Ok(match answer.as_str() {
        "whole" => Recovery::Whole,
        mended if mended.starts_with("{mended") => Recovery::Mended(answer),
        _ => Recovery::Lost(answer),
    })
}
