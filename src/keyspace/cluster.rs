//! In a cluster: which keys are this node's to show, and where it may make new ones.

use super::call::Call;
use super::error::{Error, Result};
use super::key::Look;
use super::name::Name;
use super::topology::Wanted;
use crate::session::slot::{slot_of, NewKey, Node, Slots};
use redis_module::raw;
use std::collections::{HashMap, HashSet};

impl<'c> Call<'c> {
    /// Whether this server is part of a cluster.
    pub fn in_cluster(&self) -> bool {
        self.flags() & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0
    }

    /// In a cluster, a command without keys that stands directly in a transaction is refused: there, the server looks into
    /// the one slot of the transaction's keys only. (In a script it is fine.)
    pub fn refuse_transaction(&self) -> Result<()> {
        if self.in_cluster() && self.flags() & raw::REDISMODULE_CTX_FLAGS_MULTI != 0 && !self.in_script() {
            return Err(Error::text("ERR a session command without a key cannot run inside MULTI in cluster mode"));
        }
        Ok(())
    }

    /// Whether this node may answer for itself at all, as it would for a key of its own: not while the cluster is down, and
    /// a replica only to a client that has said READONLY; others it sends to its primary.
    pub fn check_node(&self, wanted: Wanted) -> Result<()> {
        self.refuse_transaction()?;
        if !self.in_cluster() {
            return Ok(());
        }
        let mut own = None;
        for fresh in [false, true] {
            let node = self.node(fresh)?;
            // A key that is not there of a slot that is being given away would be refused anyway.
            own = node.settled.first().or(node.giving.first());
            let key = NewKey { prefix: b"", id: b"" }.in_one_of(&node.settled);
            if self.serves(&key.unwrap_or_default(), wanted)? {
                return Ok(());
            }
        }
        let replica = self.flags() & raw::REDISMODULE_CTX_FLAGS_SLAVE != 0;
        // Without slots there is nothing that it could show.
        own.filter(|_| replica).map_or(Ok(()), |slot| Err(self.moved(slot)))
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
            let mut served = self.serves(key(one), Wanted::Read)?;
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

    /// Over which of the sessions that it holds under these names this node has the say.
    pub fn authority_over(&self, names: &[Name<'_>]) -> Result<Authority> {
        if !self.in_cluster() {
            return Ok(Authority { served: None, arriving: HashSet::new() });
        }
        // Only of a key that is there does the server tell, where its slot is being given away.
        let held = |name: &&Name<'_>| self.read(**name, Look::Peek).is_ok_and(|key| key.session().is_some());
        let mut keys: Vec<&[u8]> = names.iter().filter(held).map(|name| name.bytes()).collect();
        let all: HashSet<u16> = keys.iter().map(|key| slot_of(key)).collect();
        self.keep_served(&mut keys, |key| key)?;
        let served: HashSet<u16> = keys.into_iter().map(slot_of).collect();
        let others = all.difference(&served).copied();
        let arriving = if served.len() < all.len() { self.arriving() } else { Slots::default() };
        let arriving = others.filter(|slot| arriving.contains(*slot)).collect();
        Ok(Authority { served: Some(served), arriving })
    }

    /// The key of a new session, of this prefix and id. In a cluster it is one of a slot that this node serves: a hash tag
    /// sees to that, where the prefix does not bring its own.
    pub fn place(&self, prefix: &[u8], id: &str) -> Result<Name<'c>> {
        let key = NewKey { prefix, id: id.as_bytes() };
        let plain = key.plain();
        if !self.in_cluster() {
            return Ok(self.name(&plain));
        }
        if let Some(slot) = key.own_slot() {
            let served = self.serves(&plain, Wanted::Write)?;
            return if served { Ok(self.name(&plain)) } else { Err(self.misplaced(slot)) };
        }
        for fresh in [false, true] {
            if let Some(key) = key.in_one_of(&self.node(fresh)?.settled) {
                if self.serves(&key, Wanted::Write)? {
                    return Ok(self.name(&key));
                }
            }
        }
        Err(self.refusal("CLUSTERDOWN", "this node serves no slot in which a session could begin"))
    }

    /// Whether a key that is not here may be on another node, because its slot is being moved key by key.
    pub(super) fn may_be_elsewhere(&self, key: &[u8]) -> bool {
        let moves = |node: Node| node.giving.contains(slot_of(key)) || node.importing.contains(slot_of(key));
        self.in_cluster() && self.node(false).is_ok_and(moves)
    }

    /// What a key in a slot is refused with that this node does not serve, or is giving away.
    fn misplaced(&self, slot: u16) -> Error {
        match self.node(true) {
            Err(error) => error,
            Ok(node) if node.giving.contains(slot) => self.refusal("TRYAGAIN", "the slot is being moved"),
            Ok(_) => self.moved(slot),
        }
    }

    /// The server's own answer to a key of a slot that another node serves, which sends a client there.
    fn moved(&self, slot: u16) -> Error {
        match self.address(slot) {
            Some(_) if self.in_script() => {
                Error::text("ERR Script attempted to access a non local key in a cluster node")
            }
            Some(address) => Error::text(format!("MOVED {slot} {address}")),
            None => self.refusal("CLUSTERDOWN", "Hash slot not served"),
        }
    }

    /// An error of this code, by which clients go somewhere else or try again; a script that has begun must not be run again,
    /// so there it is a plain one.
    pub(super) fn refusal(&self, code: &str, text: &str) -> Error {
        Error::text(format!("{} {text}", if self.in_script() { "ERR" } else { code }))
    }

    fn in_script(&self) -> bool {
        self.flags() & raw::REDISMODULE_CTX_FLAGS_LUA != 0
    }
}

/// Over which sessions a node has the say.
pub struct Authority {
    /// The slots that it serves; no matter where there is no cluster.
    served: Option<HashSet<u16>>,
    /// The slots that are on their way to it all at once, and another node's until they have come.
    arriving: HashSet<u16>,
}

impl Authority {
    /// Whether what is done to the session of a key here is done to the session itself, and not to a copy.
    pub fn counts(&self, key: &[u8]) -> bool {
        self.served.as_ref().is_none_or(|served| served.contains(&slot_of(key)))
    }

    /// Whether the session of a key must be left to the node that it comes from.
    pub fn is_with_another(&self, key: &[u8]) -> bool {
        !self.arriving.is_empty() && self.arriving.contains(&slot_of(key))
    }
}
