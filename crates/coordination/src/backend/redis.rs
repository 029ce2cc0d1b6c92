//! Redis, with the keys of tooz's driver, so that agents of both languages meet:
//!
//! | key | what |
//! |---|---|
//! | `_tooz_groups` | the set of all groups |
//! | `_tooz_group:GROUP` | hash of a group: `__created__` is `1`, and a field for each member with its capabilities |
//! | `_tooz_beats:MEMBER` | there as long as the member is alive: set again and again, it expires by itself |
//!
//! `_tooz` is the URL's `namespace`. A look is one script, which Redis runs in one piece: nobody sees a member that has
//! joined and is not alive, and one that comes back is not removed by somebody who took it for dead a moment ago.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use observability::clock::Clock;
use redis::{Redis, Reply, ServerError};

use super::{BackendError, Found, Question};
use crate::UrlError;
use crate::capabilities;
use crate::url::RedisUrl;

/// The field that keeps a group without members from vanishing.
const CREATED: &str = "__created__";

/// Keys: the set of groups, the member's beat, each group's hash. Arguments: the prefix of beats, the member, the
/// milliseconds that it is alive, its capabilities, whether the dead are removed, each group's name. Answers for each
/// group whether it is new, and its living members with their capabilities.
const LOOK: &str = "\
redis.call('psetex', KEYS[2], ARGV[3], 'Not dead!')
local answer = {}
for place = 3, #KEYS do
  local group, new = KEYS[place], 0
  if redis.call('exists', group) == 0 then
    new = 1
    redis.call('sadd', KEYS[1], ARGV[place + 3])
    redis.call('hset', group, '__created__', '1')
  end
  redis.call('hsetnx', group, ARGV[2], ARGV[4])
  local fields, alive = redis.call('hgetall', group), {}
  for at = 1, #fields, 2 do
    local member = fields[at]
    if member ~= '__created__' then
      if redis.call('exists', ARGV[1] .. member) == 1 then
        alive[#alive + 1] = member
        alive[#alive + 1] = fields[at + 1]
      elseif ARGV[5] == '1' then
        redis.call('hdel', group, member)
      end
    end
  end
  answer[#answer + 1] = {new, alive}
end
return answer";

#[derive(Debug)]
pub(crate) struct RedisBackend {
    redis: Redis,
    namespace: String,
    alive: Duration,
}

impl RedisBackend {
    pub(crate) fn new(url: &RedisUrl, alive: Duration, clock: &Clock) -> Result<Self, UrlError> {
        let redis = Redis::new(&url.options, clock)
            .map_err(|error| UrlError { message: error.message, hint: error.hint })?;
        Ok(Self { redis, namespace: url.namespace.clone(), alive })
    }

    fn group(&self, name: &str) -> String {
        format!("{}_group:{name}", self.namespace)
    }

    fn beat(&self, member: &str) -> String {
        format!("{}_beats:{member}", self.namespace)
    }

    pub(crate) async fn look(&self, question: &Question) -> Result<BTreeMap<String, Found>, BackendError> {
        let Question { member, groups, prunes } = question;
        let mut keys = vec![format!("{}_groups", self.namespace), self.beat(member)];
        keys.extend(groups.iter().map(|group| self.group(group)));
        let (count, prefix) = (keys.len().to_string(), self.beat(""));
        let milliseconds = self.alive.as_millis().max(1).to_string();
        let mut words: Vec<&[u8]> = vec![b"EVAL", LOOK.as_bytes(), count.as_bytes()];
        words.extend(keys.iter().map(String::as_bytes));
        words.extend([prefix.as_bytes(), member.as_bytes(), milliseconds.as_bytes(), capabilities::OURS]);
        words.push(if *prunes { b"1" } else { b"0" });
        words.extend(groups.iter().map(String::as_bytes));
        let reply = self.redis.command(&words).await?;
        found(reply, groups).ok_or_else(|| {
            let reason = "the script's answer is not what it should be".to_owned();
            ServerError::Answer { server: "Redis".to_owned(), reason }.into()
        })
    }

    pub(crate) async fn leave(
        &self,
        member: &str,
        groups: &BTreeSet<String>,
        for_good: bool,
    ) -> Result<(), BackendError> {
        for group in groups {
            let key = self.group(group);
            self.redis.command(&[b"HDEL", key.as_bytes(), member.as_bytes()]).await?;
        }
        if for_good {
            self.redis.command(&[b"DEL", self.beat(member).as_bytes()]).await?;
        }
        Ok(())
    }
}

/// What the script found; `None` if it is not what the script answers.
fn found(reply: Reply, groups: &BTreeSet<String>) -> Option<BTreeMap<String, Found>> {
    let Reply::List(of_groups) = reply else { return None };
    if of_groups.len() != groups.len() {
        return None;
    }
    groups.iter().zip(of_groups).map(|(group, reply)| Some((group.clone(), of_group(reply)?))).collect()
}

fn of_group(reply: Reply) -> Option<Found> {
    let Reply::List(parts) = reply else { return None };
    let mut parts = parts.into_iter();
    let (Some(Reply::Number(new)), Some(Reply::List(fields)), None) =
        (parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let mut members = BTreeMap::new();
    let mut fields = fields.into_iter();
    while let (Some(member), Some(capabilities)) = (fields.next(), fields.next()) {
        let member = String::from_utf8(member.into_value()?);
        // A member whose name is no text is none of ours, and none of Ceilometer's.
        let Ok(member) = member else { continue };
        if member != CREATED {
            members.insert(member, capabilities::weight(&capabilities.into_value()?));
        }
    }
    Some(Found { is_new: new == 1, members })
}
