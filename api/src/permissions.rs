//! Who may do what: roles, permissions, and the permission that each route asks for. This is the one place where that stands;
//! `docs/permissions.md` is printed from it.
//!
//! A route that is not in [`ROUTES`] is refused, whoever asks. To add a route is to add a line; a permission is a line of
//! `permissions!`.

use std::fmt::Write;

/// What an account or a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs the system.
    Admin,
    /// Leads groups of creators and chatters.
    Manager,
    /// Reads all figures.
    Analyst,
    /// Sees their own figures.
    Chatter,
    /// Sees their own fans and figures.
    Creator,
    /// A program.
    Service,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 6] = [Role::Admin, Role::Manager, Role::Analyst, Role::Chatter, Role::Creator, Role::Service];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Manager => "manager",
            Role::Analyst => "analyst",
            Role::Chatter => "chatter",
            Role::Creator => "creator",
            Role::Service => "service",
        }
    }

    /// The role of this name.
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it may do.
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| permission.roles().contains(&self))
    }

    /// Whether only rows of own creators and chatters are seen.
    pub fn is_scoped(self) -> bool {
        matches!(self, Role::Manager | Role::Chatter | Role::Creator)
    }
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident $text:literal $what:literal [$($role:ident)*],)*) => {
        /// Something that may be done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Permission { $(#[doc = $what] $name,)* }

        impl Permission {
            /// All permissions.
            pub const ALL: &'static [Permission] = &[$(Permission::$name),*];

            /// As it is written, also as the scope of a key.
            pub fn name(self) -> &'static str {
                match self { $(Permission::$name => $text,)* }
            }

            /// What it lets do.
            pub fn what(self) -> &'static str {
                match self { $(Permission::$name => $what,)* }
            }

            /// Who has it.
            pub fn roles(self) -> &'static [Role] {
                match self { $(Permission::$name => &[$(Role::$role),*],)* }
            }
        }
    };
}

permissions! {
    FiguresRead "figures.read" "read figures of chatters and creators, of own rows where the role is scoped"
        [Admin Manager Analyst Chatter Creator Service],
    FansRead "fans.read" "read fans, of own creators where the role is scoped" [Admin Manager Analyst Creator Service],
    ClustersRead "clusters.read" "read clusters, which are over all fans" [Admin Analyst Service],
    FilesRead "files.read" "see the files, whosever rows are in them, and how much of them could not be read" [Admin Manager Analyst Service],
    FilesWrite "files.write" "upload files, read them again, take them back, and say how they are read" [Admin Service],
    MessagesRead "messages.read" "read single messages with their texts, of own rows where the role is scoped"
        [Admin Manager Analyst],
    LiveRead "live.read" "be told of commits" [Admin Manager Analyst Chatter Creator Service],
    OpsRead "ops.read" "see whether what runs goes well" [Admin Manager Analyst Service],
    SettingsRead "settings.read" "see what the API and folders are set to, without secrets" [Admin],
    SettingsWrite "settings.write" "change settings of the API and of folders" [Admin],
    AccountOwn "account.own" "see and end own sessions, change the own password and second factor" [Admin Manager Analyst Chatter Creator],
    UsersRead "users.read" "see accounts" [Admin],
    UsersWrite "users.write" "invite, change and disable accounts" [Admin],
    KeysRead "keys.read" "see keys, not their secrets" [Admin],
    KeysWrite "keys.write" "make and revoke keys" [Admin],
    AuditRead "audit.read" "read the audit trail" [Admin],
}

impl Permission {
    /// The permission of this name.
    pub fn parse(name: &str) -> Option<Permission> {
        Permission::ALL.iter().copied().find(|permission| permission.name() == name)
    }
}

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// A permission.
    Needs(Permission),
}

use Access::{Needs, Public};
use Permission::{
    AccountOwn, AuditRead, ClustersRead, FansRead, FiguresRead, FilesRead, FilesWrite, KeysRead, KeysWrite, LiveRead,
    MessagesRead, OpsRead, SettingsRead, SettingsWrite, UsersRead, UsersWrite,
};

/// Every route: method, path as the router has it, what it asks for. `GET` answers `HEAD` too.
pub const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/", Public),
    ("GET", "/assets/style.css", Public),
    ("GET", "/assets/page.js", Public),
    ("GET", "/assets/account.js", Public),
    ("GET", "/assets/second-factor.js", Public),
    ("GET", "/assets/files.js", Public),
    ("GET", "/assets/tasks.js", Public),
    ("GET", "/assets/uploads.js", Public),
    ("GET", "/assets/reconciliation.js", Public),
    ("GET", "/assets/format.js", Public),
    ("GET", "/assets/icon.svg", Public),
    ("GET", "/docs", Public),
    ("GET", "/docs/docs.js", Public),
    ("GET", "/docs/swagger-ui-bundle.js", Public),
    ("GET", "/docs/swagger-ui.css", Public),
    ("GET", "/api/v1/openapi.json", Public),
    ("GET", "/api/v1/health", Public),
    ("GET", "/api/v1/ready", Public),
    ("GET", "/api/v1/overview", Needs(FiguresRead)),
    ("GET", "/api/v1/chatters", Needs(FiguresRead)),
    ("GET", "/api/v1/chatters/performance", Needs(FiguresRead)),
    ("GET", "/api/v1/chatters/ranking", Needs(FiguresRead)),
    ("GET", "/api/v1/chatters/rank", Needs(FiguresRead)),
    ("GET", "/api/v1/chatters/series", Needs(FiguresRead)),
    ("GET", "/api/v1/chatters/{chatter}", Needs(FiguresRead)),
    ("GET", "/api/v1/creators", Needs(FiguresRead)),
    ("GET", "/api/v1/creators/{creator}/daily", Needs(FiguresRead)),
    ("GET", "/api/v1/fans", Needs(FansRead)),
    ("GET", "/api/v1/fans/{fan}", Needs(FansRead)),
    ("GET", "/api/v1/fans/{fan}/timeline", Needs(FansRead)),
    ("GET", "/api/v1/clusters", Needs(ClustersRead)),
    ("GET", "/api/v1/clusters/moves", Needs(ClustersRead)),
    ("GET", "/api/v1/sales", Needs(FiguresRead)),
    ("GET", "/api/v1/reconciliation", Needs(FiguresRead)),
    ("GET", "/api/v1/files", Needs(FilesRead)),
    ("GET", "/api/v1/messages", Needs(MessagesRead)),
    ("GET", "/api/v1/template", Needs(FiguresRead)),
    ("GET", "/api/v1/live", Needs(LiveRead)),
    ("GET", "/api/v1/ops/tasks", Needs(OpsRead)),
    ("GET", "/api/v1/settings", Needs(SettingsRead)),
    ("PUT", "/api/v1/settings/{variable}", Needs(SettingsWrite)),
    ("DELETE", "/api/v1/settings/{variable}", Needs(SettingsWrite)),
    ("GET", "/api/v1/settings/folders", Needs(SettingsRead)),
    ("PUT", "/api/v1/settings/folders", Needs(SettingsWrite)),
    ("DELETE", "/api/v1/settings/folders", Needs(SettingsWrite)),
    ("GET", "/api/v1/ingest/uploads", Needs(FilesRead)),
    ("POST", "/api/v1/ingest/uploads", Needs(FilesWrite)),
    ("GET", "/api/v1/ingest/uploads/{id}", Needs(FilesRead)),
    ("DELETE", "/api/v1/ingest/uploads/{id}", Needs(FilesWrite)),
    ("POST", "/api/v1/ingest/uploads/{id}/reprocess", Needs(FilesWrite)),
    ("GET", "/api/v1/ingest/uploads/{id}/rejects", Needs(FilesWrite)),
    ("GET", "/api/v1/ingest/uploads/{id}/rejects.csv", Needs(FilesWrite)),
    ("POST", "/api/v1/ingest/sync", Needs(FilesWrite)),
    ("GET", "/api/v1/ingest/requests/{id}", Needs(FilesWrite)),
    ("GET", "/api/v1/ingest/events", Needs(FilesRead)),
    ("GET", "/api/v1/ingest/mappings", Needs(FilesRead)),
    ("GET", "/api/v1/ingest/mappings/export", Needs(FilesRead)),
    ("POST", "/api/v1/ingest/mappings/import", Needs(FilesWrite)),
    ("POST", "/api/v1/ingest/mappings/suggest", Needs(FilesWrite)),
    ("POST", "/api/v1/ingest/mappings/preview", Needs(FilesWrite)),
    ("GET", "/api/v1/ingest/mappings/{name}", Needs(FilesRead)),
    ("PUT", "/api/v1/ingest/mappings/{name}", Needs(FilesWrite)),
    ("DELETE", "/api/v1/ingest/mappings/{name}", Needs(FilesWrite)),
    ("POST", "/api/v1/auth/login", Public),
    ("POST", "/api/v1/auth/refresh", Public),
    ("POST", "/api/v1/auth/forgotten", Public),
    ("POST", "/api/v1/auth/reset", Public),
    ("GET", "/api/v1/auth/me", Needs(LiveRead)),
    ("POST", "/api/v1/auth/logout", Needs(AccountOwn)),
    ("POST", "/api/v1/auth/logout-everywhere", Needs(AccountOwn)),
    ("GET", "/api/v1/auth/sessions", Needs(AccountOwn)),
    ("DELETE", "/api/v1/auth/sessions/{id}", Needs(AccountOwn)),
    ("PUT", "/api/v1/auth/password", Needs(AccountOwn)),
    ("POST", "/api/v1/auth/second-factor", Needs(AccountOwn)),
    ("POST", "/api/v1/auth/second-factor/confirm", Needs(AccountOwn)),
    ("POST", "/api/v1/auth/second-factor/recovery-codes", Needs(AccountOwn)),
    ("POST", "/api/v1/auth/second-factor/remove", Needs(AccountOwn)),
    ("GET", "/api/v1/users", Needs(UsersRead)),
    ("POST", "/api/v1/users", Needs(UsersWrite)),
    ("PATCH", "/api/v1/users/{id}", Needs(UsersWrite)),
    ("DELETE", "/api/v1/users/{id}/sessions", Needs(UsersWrite)),
    ("POST", "/api/v1/users/{id}/reset", Needs(UsersWrite)),
    ("DELETE", "/api/v1/users/{id}/second-factor", Needs(UsersWrite)),
    ("GET", "/api/v1/keys", Needs(KeysRead)),
    ("POST", "/api/v1/keys", Needs(KeysWrite)),
    ("DELETE", "/api/v1/keys/{id}", Needs(KeysWrite)),
    ("GET", "/api/v1/audit", Needs(AuditRead)),
];

/// What a request meets in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The route asks for this.
    Asks(Access),
    /// The path is there, with these other methods.
    OtherMethods(String),
    /// Nobody has said who may.
    Unnamed,
}

/// Looks a request up.
pub fn rule(method: &str, path: &str) -> Rule {
    let method = if method == "HEAD" { "GET" } else { method };
    let mut others: Vec<&str> = Vec::new();
    for (allowed, _, access) in ROUTES.iter().filter(|(_, route, _)| *route == path) {
        if *allowed == method {
            return Rule::Asks(*access);
        }
        others.push(allowed);
        if *allowed == "GET" {
            others.push("HEAD");
        }
    }
    if others.is_empty() { Rule::Unnamed } else { Rule::OtherMethods(others.join(",")) }
}

/// `docs/permissions.md`.
pub fn document() -> String {
    let mut text = String::from(
        "# Permissions\n\nPrinted from `api/src/permissions.rs`: `UPDATE_DOCS=1 cargo test --release -p fandom-api \
         permissions` writes it anew.\n\nManagers, chatters and creators see only rows of the creators and chatters that \
         their account names; with none named, no row. A key has the permissions of its role, or those of them that it was \
         made for. Everything else is refused.\n\n## Roles\n\n| Permission | Lets |",
    );
    for role in Role::ALL {
        let _ = write!(text, " {} |", role.name());
    }
    text.push_str("\n|---|---|");
    text.push_str(&"---|".repeat(Role::ALL.len()));
    text.push('\n');
    for permission in Permission::ALL {
        let _ = write!(text, "| `{}` | {} |", permission.name(), permission.what());
        for role in Role::ALL {
            text.push_str(if permission.roles().contains(&role) { " yes |" } else { " |" });
        }
        text.push('\n');
    }
    text.push_str("\n## Routes\n\n| Route | Asks for |\n|---|---|\n");
    for (method, path, access) in ROUTES {
        let asks = match access {
            Public => "nothing".to_owned(),
            Needs(permission) => format!("`{}`", permission.name()),
        };
        let _ = writeln!(text, "| `{method} {path}` | {asks} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_of_permissions_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/permissions.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, document()).expect("the page can be written");
        }
        let page = std::fs::read_to_string(&path).expect("there is a page");
        assert!(page == document(), "docs/permissions.md is not what the table says; UPDATE_DOCS=1 writes it anew");
    }

    #[test]
    fn a_route_is_named_once_and_asks_for_what_some_role_has() {
        for (place, (method, path, access)) in ROUTES.iter().enumerate() {
            assert!(!ROUTES[..place].iter().any(|(m, p, _)| (m, p) == (method, path)), "{method} {path} twice");
            if let Needs(permission) = access {
                assert!(!permission.roles().is_empty(), "{}", permission.name());
            }
        }
        assert_eq!(rule("POST", "/api/v1/fans"), Rule::OtherMethods("GET,HEAD".into()));
        assert_eq!(rule("HEAD", "/api/v1/fans"), Rule::Asks(Needs(FansRead)));
        assert_eq!(rule("GET", "/api/v1/nothing"), Rule::Unnamed);
    }
}
