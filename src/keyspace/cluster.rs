//! In a cluster: which keys are this node's to show, and where it may make new ones.

use super::api::api;
use super::call::Call;
use super::error::{Error, Result};
use super::name::{Name, OwnedName};
use crate::session::slot::{hash_tag, slot_of, tag, Node};
use crate::session::Millis;
use redis_module::raw::{self, RedisModuleCallReply};
use std::collections::HashMap;
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

    /// A replica in a cluster shows nothing to a client that has not asked for it by READONLY; nor does this command.
    pub fn refuse_replica(&self) -> Result<()> {
        const REPLICA: u32 = raw::REDISMODULE_CTX_FLAGS_CLUSTER | raw::REDISMODULE_CTX_FLAGS_SLAVE;
        if self.flags() & REPLICA != REPLICA {
            return Ok(());
        }
        for fresh in [false, true] {
            let node = self.node(fresh)?;
            if node.settled.first().is_none() && fresh {
                return Ok(()); // its primary has no slots: there is nothing to show
            }
            let key = (0..1 << 20).map(tag).find(|key| node.settled.contains(slot_of(key)));
            if let Some(key) = key {
                if self.serves(OwnedName::new(&key).name())? {
                    return Ok(());
                }
            }
        }
        Err(Error::text("ERR a replica in a cluster answers this after READONLY, or ask the primary"))
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
            return if self.serves(plain.name())? {
                Ok(plain)
            } else {
                Err(Error::text("ERR this node does not serve the slot of the prefix's hash tag, or is giving it away"))
            };
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

    /// Whether the server would run a command on this key here, for this client: not on a key of another node's slot, nor
    /// on a replica without READONLY, nor on a key that is not there of a slot that is being given away. No key is open
    /// meanwhile.
    fn serves(&self, key: Name<'_>) -> Result<bool> {
        // SAFETY: the context is that of the running command; "s" takes a string, which lives for the call.
        let reply = unsafe { api!(RedisModule_Call(self.ctx(), c"TYPE".as_ptr(), c"s".as_ptr(), key.raw())) };
        if !reply.is_null() {
            free(reply);
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
        // SAFETY: the context is that of the running command; "c" takes a C string; the reply's text lives until the reply
        // is freed.
        let node = unsafe {
            let reply = api!(RedisModule_Call(self.ctx(), c"CLUSTER".as_ptr(), c"c".as_ptr(), c"NODES".as_ptr()));
            if reply.is_null() {
                None
            } else {
                let mut len = 0;
                let text = api!(RedisModule_CallReplyStringPtr(reply, &mut len));
                let text = if text.is_null() { &[][..] } else { std::slice::from_raw_parts(text.cast(), len) };
                let node = Node::read(&String::from_utf8_lossy(text));
                free(reply);
                node
            }
        };
        node.ok_or(Error::text("ERR the server does not tell which slots it serves"))
    }
}

fn free(reply: *mut RedisModuleCallReply) {
    // SAFETY: a reply of RM_Call, freed once.
    unsafe { api!(RedisModule_FreeCallReply(reply)) };
}
