//! In a cluster: which keys are this node's to show, and where it may make new ones.

use super::api::api;
use super::call::Call;
use super::call_reply::CallReply;
use super::error::{Error, Result};
use super::name::{Name, OwnedName};
use crate::session::slot::{hash_tag, slot_of, tag, Node};
use crate::session::Millis;
use redis_module::raw;
use std::collections::HashMap;
use std::ffi::CStr;
use std::io::{Error as OsError, ErrorKind};
use std::sync::{Mutex, PoisonError};

/// For how long what the node said of its slots is not asked for again. (It is only a first guess: the server is asked
/// about each key.)
const FRESH: Millis = 1000;

/// What the node said of its slots, and when.
static NODE: Mutex<Option<(Millis, Node)>> = Mutex::new(None);

impl Call<'_> {
    /// Whether this server is part of a cluster.
    pub fn in_cluster(&self) -> bool {
        self.flags() & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0
    }

    /// In a cluster, a command without keys that stands directly in a transaction is refused: there, the server looks into
    /// the one slot of the transaction's keys only. (In a script it is fine.)
    pub fn refuse_transaction(&self) -> Result<()> {
        const DIRECT: u32 = raw::REDISMODULE_CTX_FLAGS_CLUSTER | raw::REDISMODULE_CTX_FLAGS_MULTI;
        if self.flags() & (DIRECT | raw::REDISMODULE_CTX_FLAGS_LUA) == DIRECT {
            return Err(Error::text("ERR a session command without a key cannot run inside MULTI in cluster mode"));
        }
        Ok(())
    }

    /// A replica in a cluster shows nothing to a client that has not asked for it by READONLY, and sends it to the primary;
    /// so does this command.
    pub fn refuse_replica(&self) -> Result<()> {
        const REPLICA: u32 = raw::REDISMODULE_CTX_FLAGS_CLUSTER | raw::REDISMODULE_CTX_FLAGS_SLAVE;
        if self.flags() & REPLICA != REPLICA {
            return Ok(());
        }
        let mut own = None;
        for fresh in [false, true] {
            let settled = self.node(fresh)?.settled;
            own = settled.first();
            let key = own.and_then(|_| (0..1 << 20).map(tag).find(|key| settled.contains(slot_of(key))));
            if key.is_some_and(|key| self.serves(OwnedName::new(&key).name()) == Ok(true)) {
                return Ok(());
            }
        }
        // Without slots of its primary there is nothing that it could show.
        own.map_or(Ok(()), |slot| Err(self.moved(slot)))
    }

    /// Leaves of what was found that whose slots this node serves, or is importing key by key; not what it merely holds.
    pub fn keep_served<T>(&self, found: &mut Vec<T>, key: impl Fn(&T) -> &[u8]) -> Result<()> {
        if !self.in_cluster() {
            return Ok(());
        }
        let (mut known, mut importing) = (HashMap::new(), None);
        for one in found.iter() {
            let slot = slot_of(key(one));
            if known.contains_key(&slot) {
                continue;
            }
            let mut served = self.serves(OwnedName::new(key(one)).name())?;
            if !served {
                let importing = match &importing {
                    Some(slots) => slots,
                    None => importing.insert(self.node(true)?.importing),
                };
                served = importing.contains(slot);
            }
            known.insert(slot, served);
        }
        found.retain(|one| known.get(&slot_of(key(one))).copied().unwrap_or(false));
        Ok(())
    }

    /// The key of a new session, of this prefix and id. In a cluster it is one of a slot that this node serves: a hash tag
    /// sees to that, where the prefix does not bring its own.
    pub fn place(&self, prefix: &[u8], id: &str) -> Result<OwnedName> {
        let plain = OwnedName::new(&[prefix, id.as_bytes()].concat());
        if !self.in_cluster() {
            return Ok(plain);
        }
        if hash_tag(prefix).is_some() {
            return if self.serves(plain.name())? { Ok(plain) } else { Err(self.misplaced(slot_of(prefix))) };
        }
        for fresh in [false, true] {
            let node = self.node(fresh)?;
            if node.settled.first().is_none() {
                continue;
            }
            // The id is random: so is where the search begins, and with it the slot.
            let seed = u32::from(slot_of(id.as_bytes())).wrapping_mul(64);
            let tagged = |n| [prefix, b"{", &tag(seed.wrapping_add(n)), b"}", id.as_bytes()].concat();
            let Some(key) = (0..1 << 20).map(tagged).find(|key| node.settled.contains(slot_of(key))) else { continue };
            let name = OwnedName::new(&key);
            if self.serves(name.name())? {
                return Ok(name);
            }
        }
        Err(Error::text("CLUSTERDOWN this node serves no slot in which a session could begin"))
    }

    /// What a key in a slot is refused with that this node does not serve, or is giving away.
    fn misplaced(&self, slot: u16) -> Error {
        match self.node(true) {
            Err(error) => error,
            Ok(node) if node.giving.contains(slot) => Error::text("TRYAGAIN the slot of the prefix is being moved"),
            Ok(_) => self.moved(slot),
        }
    }

    /// The server's own answer to a key of a slot that another node serves, which sends a client there.
    fn moved(&self, slot: u16) -> Error {
        match self.address(slot) {
            Some(address) => Error::text(format!("MOVED {slot} {address}")),
            None => Error::text("CLUSTERDOWN Hash slot not served"),
        }
    }

    /// Where the primary of a slot is to be reached, by the reply of `CLUSTER SLOTS`: ranges of slots, each with its nodes,
    /// the primary first. The endpoint may be nothing: then clients take the one that they know.
    fn address(&self, slot: u16) -> Option<String> {
        let ranges = self.ask(c"CLUSTER", c"SLOTS")?;
        let range = ranges.elements().find(|range| {
            let [first, last] = [0, 1].map(|i| range.element(i).and_then(|bound| u16::try_from(bound.integer()).ok()));
            first.is_some_and(|first| first <= slot) && last.is_some_and(|last| slot <= last)
        })?;
        let primary = range.element(2)?;
        let endpoint = primary.element(0).map(|endpoint| endpoint.text()).unwrap_or_default();
        Some(format!("{endpoint}:{}", primary.element(1)?.integer()))
    }

    /// Whether the server would run a command on this key here, for this client: not on a key of another node's slot, nor
    /// on a replica without READONLY, nor on a key that is not there of a slot that is being given away. No key is open
    /// meanwhile.
    fn serves(&self, key: Name<'_>) -> Result<bool> {
        // SAFETY: the context is that of the running command; "s" takes a string, which lives for the call.
        let reply = unsafe { api!(RedisModule_Call(self.ctx(), c"TYPE".as_ptr(), c"s".as_ptr(), key.raw())) };
        // SAFETY: the reply is that of the call, and nobody else's.
        if unsafe { CallReply::adopt(reply) }.is_some() {
            return Ok(true);
        }
        let why = OsError::last_os_error();
        match why.kind() {
            ErrorKind::PermissionDenied => Ok(false),
            ErrorKind::NetworkDown | ErrorKind::ReadOnlyFilesystem => {
                Err(Error::text("CLUSTERDOWN The cluster is down"))
            }
            _ => Err(Error::text(format!("ERR the server does not tell whose slot a key is in: {why}"))),
        }
    }

    /// What this node says of its slots, asked for anew where it has not been for a while, or must be `fresh`.
    fn node(&self, fresh: bool) -> Result<Node> {
        let now = self.now();
        let known = || NODE.lock().unwrap_or_else(PoisonError::into_inner);
        if let (false, Some((at, node))) = (fresh, &*known()) {
            if (0..FRESH).contains(&now.saturating_sub(*at)) {
                return Ok(node.clone());
            }
        }
        let node = self.ask_node()?;
        *known() = Some((now, node.clone()));
        Ok(node)
    }

    fn ask_node(&self) -> Result<Node> {
        let said = self.ask(c"CLUSTER", c"NODES").map(|reply| reply.text());
        said.and_then(|nodes| Node::read(&nodes))
            .ok_or(Error::text("ERR the server does not tell which slots it serves"))
    }

    /// What the server says to a command with a subcommand.
    fn ask(&self, command: &CStr, subcommand: &CStr) -> Option<CallReply> {
        // SAFETY: the context is that of the running command; "c" takes a C string; the reply is ours to adopt.
        unsafe {
            let (command, format) = (command.as_ptr(), c"c".as_ptr());
            CallReply::adopt(api!(RedisModule_Call(self.ctx(), command, format, subcommand.as_ptr())))
        }
    }
}
