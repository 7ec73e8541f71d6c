//! The table of all commands: what the server is told of each, and what clients learn from `COMMAND DOCS`.

use super::{
    adjust, apply, byuser, count, del, get, getex, incrby, info, new, pop, revoke, rotate, set, touch, unset, verify,
};
use crate::keyspace::{entry, Arg, ArgKind, KeyRange, KeyUse, Spec};

/// All commands.
pub static TABLE: &[Spec] = &[
    Spec {
        name: "session.set",
        summary: "Begins a session, or changes its data, user or timeouts.",
        complexity: CAPPED,
        arity: -2,
        flags: "write deny-oom",
        categories: "write slow",
        keys: &[one_key(KeyUse::Update)],
        args: &[
            key("key"),
            optional(one_of("condition", &[flag("nx", "NX"), flag("xx", "XX"), IFVERSION])),
            optional(flag("replace", "REPLACE")),
            optional(one_of("owner", OWNER)),
            optional(one_of("idle", IDLE)),
            optional(END),
            optional(flag("keepttl", "KEEPTTL")),
            optional(MAXSESSIONS),
            optional(UNSET),
            optional(FIELDS),
            optional(JSON),
        ],
        entry: entry::<set::Set>,
        ..COMMAND
    },
    Spec {
        name: "session.new",
        summary: "Begins a session under a new random id and returns its key.",
        complexity: CAPPED,
        arity: -1,
        flags: "write deny-oom",
        categories: "write slow",
        tips: "nondeterministic_output",
        args: &[
            optional(option("prefix", "PREFIX", ArgKind::String)),
            optional(option("user", "USER", ArgKind::String)),
            optional(one_of("idle", IDLE)),
            optional(END),
            optional(MAXSESSIONS),
            optional(FIELDS),
            optional(JSON),
        ],
        entry: entry::<new::New>,
        ..COMMAND
    },
    Spec {
        name: "session.get",
        summary: "Returns the data of a session.",
        complexity: "O(N) where N is the size of the session",
        arity: -2,
        flags: "readonly",
        categories: "read slow",
        keys: &[one_key(KeyUse::Read)],
        args: &[key("key"), optional(META), optional(flag("json", "JSON")), optional(FIELD_NAMES)],
        entry: entry::<get::Get>,
        ..COMMAND
    },
    Spec {
        name: "session.getex",
        summary: "Returns the data of a session and keeps it alive, optionally with another idle timeout.",
        complexity: "O(N) where N is the size of the session",
        arity: -2,
        flags: "write",
        categories: "write slow",
        keys: &[one_key(KeyUse::ReadUpdate)],
        args: &[key("key"), optional(one_of("idle", IDLE)), optional(META), optional(flag("json", "JSON")), optional(FIELD_NAMES)],
        entry: entry::<getex::GetEx>,
        ..COMMAND
    },
    Spec {
        name: "session.touch",
        summary: "Keeps sessions alive: restarts their idle timeouts. Returns how many are live.",
        complexity: "O(N) where N is the number of keys",
        arity: -2,
        flags: "write fast",
        categories: "write fast",
        tips: "request_policy:multi_shard response_policy:agg_sum",
        keys: &[all_keys(KeyUse::Update)],
        args: &[many(key("key"))],
        entry: entry::<touch::Touch>,
        ..COMMAND
    },
    Spec {
        name: "session.adjust",
        summary: "Changes a session's own timeouts and restarts its idle timeout.",
        complexity: "O(1)",
        arity: -3,
        flags: "write fast",
        categories: "write fast",
        keys: &[one_key(KeyUse::Update)],
        args: &[
            key("key"),
            one_of(
                "timeouts",
                &[
                    arg("idle-seconds", ArgKind::Integer),
                    Arg { parts: &[optional(one_of("idle", IDLE)), optional(END)], ..arg("times", ArgKind::Block) },
                ],
            ),
        ],
        entry: entry::<adjust::Adjust>,
        ..COMMAND
    },
    Spec {
        name: "session.byuser",
        summary: "Returns the keys of a user's live sessions, latest access first, optionally with metadata and data.",
        complexity: "O(N log N) where N is the number of the user's sessions; with LIMIT, of those up to the last that is listed",
        arity: -2,
        flags: "readonly",
        categories: "read slow",
        tips: "nondeterministic_output request_policy:all_shards response_policy:special",
        args: &[
            arg("user", ArgKind::String),
            optional(META),
            optional(flag("json", "JSON")),
            optional(FIELD_NAMES),
            optional(Arg {
                parts: &[arg("offset", ArgKind::Integer), arg("count", ArgKind::Integer)],
                ..option("limit", "LIMIT", ArgKind::Block)
            }),
        ],
        entry: entry::<byuser::ByUser>,
        ..COMMAND
    },
    Spec {
        name: "session.count",
        summary: "Returns the number of a user's live sessions.",
        complexity: "O(N) where N is the number of the user's sessions",
        arity: 2,
        flags: "readonly",
        categories: "read slow",
        tips: "nondeterministic_output request_policy:all_shards response_policy:agg_sum",
        args: &[arg("user", ArgKind::String)],
        entry: entry::<count::Count>,
        ..COMMAND
    },
    Spec {
        name: "session.del",
        summary: "Ends sessions. Returns how many there were.",
        complexity: "O(N) where N is the number of keys",
        arity: -2,
        flags: "write",
        categories: "write slow",
        tips: "request_policy:multi_shard response_policy:agg_sum",
        keys: &[all_keys(KeyUse::Remove)],
        args: &[many(key("key"))],
        entry: entry::<del::Del>,
        ..COMMAND
    },
    Spec {
        name: "session.revoke",
        summary: "Ends all sessions of a user, all but some, or some of them. Returns how many there were.",
        complexity: "O(N) where N is the number of the user's sessions; with ONLY, of the keys given",
        arity: -2,
        flags: "write",
        categories: "write slow",
        tips: "request_policy:all_shards response_policy:agg_sum",
        args: &[
            arg("user", ArgKind::String),
            optional(one_of(
                "which",
                &[
                    Arg { parts: KEYS, ..option("except", "EXCEPT", ArgKind::Block) },
                    Arg { parts: KEYS, ..option("only", "ONLY", ArgKind::Block) },
                ],
            )),
        ],
        entry: entry::<revoke::Revoke>,
        ..COMMAND
    },
    Spec {
        name: "session.rotate",
        summary: "Gives a session a new key, optionally with a user, timeouts and data. Returns the new version.",
        complexity: CAPPED,
        arity: -3,
        flags: "write deny-oom",
        categories: "write slow",
        keys: &[one_key(KeyUse::ReadRemove), KeyRange { first: 2, last: 0, usage: KeyUse::Insert }],
        args: &[
            key("key"),
            arg("newkey", ArgKind::Key(1)),
            optional(IFVERSION),
            optional(flag("replace", "REPLACE")),
            optional(one_of("owner", OWNER)),
            optional(one_of("idle", IDLE)),
            optional(END),
            optional(MAXSESSIONS),
            optional(UNSET),
            optional(FIELDS),
            optional(JSON),
            optional(GRACE),
        ],
        entry: entry::<rotate::Rotate>,
        ..COMMAND
    },
    Spec {
        name: "session.unset",
        summary: "Removes fields of a session. Returns how many there were.",
        complexity: "O(N) where N is the size of the session",
        arity: -5,
        flags: "write",
        categories: "write slow",
        keys: &[one_key(KeyUse::Update)],
        args: &[key("key"), optional(IFVERSION), optional(flag("keepttl", "KEEPTTL")), FIELD_NAMES],
        entry: entry::<unset::Unset>,
        ..COMMAND
    },
    Spec {
        name: "session.pop",
        summary: "Returns the values of fields and removes them.",
        complexity: "O(N) where N is the size of the session",
        arity: -5,
        flags: "write",
        categories: "write slow",
        keys: &[one_key(KeyUse::ReadUpdate)],
        args: &[key("key"), optional(IFVERSION), optional(flag("keepttl", "KEEPTTL")), FIELD_NAMES],
        entry: entry::<pop::Pop>,
        ..COMMAND
    },
    Spec {
        name: "session.incrby",
        summary: "Adds to a counter in a session. Returns the new value.",
        complexity: "O(N) where N is the size of the session",
        arity: -4,
        flags: "write deny-oom",
        categories: "write slow",
        keys: &[one_key(KeyUse::ReadUpdate)],
        args: &[
            key("key"),
            arg("field", ArgKind::String),
            arg("increment", ArgKind::Integer),
            optional(IFVERSION),
            optional(flag("keepttl", "KEEPTTL")),
        ],
        entry: entry::<incrby::IncrBy>,
        ..COMMAND
    },
    Spec {
        name: "session.verify",
        summary: "Holds this node's index of users against a full scan of its keys, and optionally mends it.",
        complexity: "O(N) where N is the number of keys of the server",
        arity: -1,
        flags: "readonly admin",
        categories: "read slow admin dangerous",
        tips: "nondeterministic_output request_policy:all_shards response_policy:special",
        args: &[optional(flag("fix", "FIX"))],
        entry: entry::<verify::Verify>,
        ..COMMAND
    },
    Spec {
        name: "session.info",
        summary: "Returns the metadata of a session: user, times, version and size.",
        complexity: "O(N) where N is the number of fields",
        arity: 2,
        flags: "readonly fast",
        categories: "read fast",
        keys: &[one_key(KeyUse::Read)],
        args: &[key("key")],
        entry: entry::<info::Info>,
        ..COMMAND
    },
    Spec {
        name: "session.apply",
        summary: "An internal command for replication and persistence: carries out the effect of another command.",
        complexity: "O(N) where N is the size of the session",
        arity: 3,
        flags: "write admin",
        categories: "write slow admin dangerous",
        keys: &[one_key(KeyUse::Update)],
        args: &[key("key"), arg("effect", ArgKind::String)],
        entry: entry::<apply::Apply>,
        ..COMMAND
    },
];

/// The complexity of commands that know MAXSESSIONS.
const CAPPED: &str =
    "O(N) where N is the size of the session; with MAXSESSIONS also O(M log M) where M is the number of \
                      sessions that end";

/// What commands have in common.
const COMMAND: Spec = Spec {
    name: "",
    summary: "",
    complexity: "",
    since: "0.1.0",
    arity: 0,
    flags: "",
    categories: "",
    tips: "",
    keys: &[],
    args: &[],
    entry: entry::<get::Get>,
};

const fn one_key(usage: KeyUse) -> KeyRange {
    KeyRange { first: 1, last: 0, usage }
}

const fn all_keys(usage: KeyUse) -> KeyRange {
    KeyRange { first: 1, last: -1, usage }
}

const fn arg(name: &'static str, kind: ArgKind) -> Arg {
    Arg { name, kind, token: None, optional: false, multiple: false, parts: &[] }
}

const fn key(name: &'static str) -> Arg {
    arg(name, ArgKind::Key(0))
}

const fn flag(name: &'static str, token: &'static str) -> Arg {
    option(name, token, ArgKind::Token)
}

const fn option(name: &'static str, token: &'static str, kind: ArgKind) -> Arg {
    Arg { token: Some(token), ..arg(name, kind) }
}

const fn one_of(name: &'static str, parts: &'static [Arg]) -> Arg {
    Arg { parts, ..arg(name, ArgKind::OneOf) }
}

const fn optional(arg: Arg) -> Arg {
    Arg { optional: true, ..arg }
}

const fn many(arg: Arg) -> Arg {
    Arg { multiple: true, ..arg }
}

const IFVERSION: Arg = option("version", "IFVERSION", ArgKind::Integer);

const OWNER: &[Arg] = &[option("user", "USER", ArgKind::String), flag("nouser", "NOUSER")];

const IDLE: &[Arg] = &[
    option("seconds", "EX", ArgKind::Integer),
    option("milliseconds", "PX", ArgKind::Integer),
    flag("persist", "PERSIST"),
];

const END: Arg = one_of(
    "end",
    &[
        option("lifetime-seconds", "LIFETIME", ArgKind::Integer),
        option("lifetime-milliseconds", "PLIFETIME", ArgKind::Integer),
        option("unix-time-seconds", "EXAT", ArgKind::UnixTime),
        option("unix-time-milliseconds", "PXAT", ArgKind::UnixTime),
        flag("nolifetime", "NOLIFETIME"),
    ],
);

const MAXSESSIONS: Arg = Arg {
    parts: &[
        arg("count", ArgKind::Integer),
        one_of("policy", &[flag("reject", "REJECT"), flag("oldest", "OLDEST"), flag("lru", "LRU")]),
    ],
    ..option("maxsessions", "MAXSESSIONS", ArgKind::Block)
};

const FIELD_NAMES: Arg = Arg {
    parts: &[arg("numfields", ArgKind::Integer), many(arg("field", ArgKind::String))],
    ..option("fields", "FIELDS", ArgKind::Block)
};

const UNSET: Arg = Arg {
    parts: &[arg("numfields", ArgKind::Integer), many(arg("field", ArgKind::String))],
    ..option("unset", "UNSET", ArgKind::Block)
};

const FIELDS: Arg = Arg {
    parts: &[
        arg("numfields", ArgKind::Integer),
        many(Arg {
            parts: &[arg("field", ArgKind::String), arg("value", ArgKind::String)],
            ..arg("pair", ArgKind::Block)
        }),
    ],
    ..option("fields", "FIELDS", ArgKind::Block)
};

const JSON: Arg = option("object", "JSON", ArgKind::String);

const META: Arg = one_of(
    "meta",
    &[
        flag("withmeta", "WITHMETA"),
        Arg {
            parts: &[arg("numnames", ArgKind::Integer), many(arg("name", ArgKind::String))],
            ..option("names", "META", ArgKind::Block)
        },
    ],
);

const KEYS: &[Arg] = &[arg("numkeys", ArgKind::Integer), many(arg("key", ArgKind::String))];

const GRACE: Arg = one_of(
    "grace",
    &[option("grace-seconds", "GRACE", ArgKind::Integer), option("grace-milliseconds", "PGRACE", ArgKind::Integer)],
);
