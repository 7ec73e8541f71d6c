//! Listens to what a server publishes: keyspace events and invalidations of client-side caches.

use super::{shown, Client, Server};
use redis::Value;

/// A client that listens.
pub struct Subscriber {
    client: Client,
    pub id: String,
}

/// The channel on which the server tells a tracking client's partner what to forget.
const INVALIDATE: &str = "__redis__:invalidate";
const EVENTS: &str = "__keyevent@";
const END: &str = "end of step";

impl Subscriber {
    /// Listens to every keyspace event from now on.
    pub fn to_events(s: &mut Server) -> Self {
        s.says("CONFIG SET notify-keyspace-events KEA", "OK");
        let mut listener = Self::new(s);
        listener.subscribe(&format!("{EVENTS}*"));
        listener
    }

    /// Listens to the invalidations that are redirected to its `id`.
    pub fn to_invalidations(s: &Server) -> Self {
        let mut listener = Self::new(s);
        listener.subscribe(INVALIDATE);
        listener
    }

    fn new(s: &Server) -> Self {
        let mut client = s.client();
        let id = client.say("CLIENT ID");
        Subscriber { client, id }
    }

    fn subscribe(&mut self, pattern: &str) {
        self.client.send(&[b"PSUBSCRIBE", pattern.as_bytes()]).unwrap();
        self.client.send(&[b"PSUBSCRIBE", END.as_bytes()]).unwrap();
    }

    /// What was published until now, in order: `event key`, `event key @db` outside database 0, or keys to forget.
    pub fn heard(&mut self, s: &mut Server) -> Vec<String> {
        s.send(&[b"PUBLISH", END.as_bytes(), b""]).unwrap();
        let mut heard = Vec::new();
        loop {
            let Value::Array(parts) = self.client.receive() else { panic!("not a message") };
            let [channel, payload] = [parts.len() - 2, parts.len() - 1].map(|i| shown(&parts[i]));
            if channel == END {
                return heard;
            }
            heard.push(match channel.strip_prefix(EVENTS).and_then(|rest| rest.split_once("__:")) {
                Some(("0", event)) => format!("{event} {payload}"),
                Some((db, event)) => format!("{event} {payload} @{db}"),
                None => payload,
            });
        }
    }

    /// Fails unless this command publishes just this.
    #[track_caller]
    pub fn hears(&mut self, s: &mut Server, command: &str, expected: &[&str]) {
        s.say(command);
        assert_eq!(self.heard(s), expected, "{command}");
    }
}
