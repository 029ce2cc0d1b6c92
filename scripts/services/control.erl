%% A control socket inside a private broker's virtual machine: evaluates one Erlang expression sequence per
%% packet (four-byte length, then text) and answers "ok <value>" or "error <reason>". A binary is returned
%% as it is, any other term as text. It takes a millisecond where rabbitmqctl starts a second virtual
%% machine, and it goes on answering while the broker application is stopped. The socket lies in the
%% fixture's private directory; `Path` is bound by the caller.
Answer = fun(Text) ->
    try
        {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text)),
        {ok, Parsed} = erl_parse:parse_exprs(Tokens),
        {value, Value, _} = erl_eval:exprs(Parsed, []),
        case is_binary(Value) of
            true -> [<<"ok ">>, Value];
            false -> [<<"ok ">>, unicode:characters_to_binary(io_lib:format("~0tp", [Value]))]
        end
    catch
        Class:Reason ->
            [<<"error ">>, unicode:characters_to_binary(io_lib:format("~0tp: ~0tp", [Class, Reason]))]
    end
end.
Serve = fun Serve(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Text} -> ok = gen_tcp:send(Socket, Answer(Text)), Serve(Socket);
        {error, _} -> gen_tcp:close(Socket)
    end
end.
Accept = fun Accept(Listening) ->
    {ok, Socket} = gen_tcp:accept(Listening),
    Worker = spawn(fun() -> receive go -> Serve(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Worker),
    Worker ! go,
    Accept(Listening)
end.
spawn(fun() ->
    _ = file:delete(Path),
    {ok, Listening} = gen_tcp:listen(0, [{ifaddr, {local, Path}}, binary, {packet, 4}, {active, false}, {backlog, 64}]),
    Accept(Listening)
end).
