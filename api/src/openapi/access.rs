//! Who may ask what: credentials, and what each operation needs, as the table of permissions has it.

use serde_json::{Value, json};

use crate::permissions::{Access, Permission, Role, Rule, rule};

/// Adds to an operation what it needs, and the credentials that show it.
pub fn complete(method: &str, path: &str, operation: &mut Value) {
    // An operation that the table does not name is refused, so it has nothing to say here; a test finds it.
    let Rule::Asks(access) = rule(&method.to_uppercase(), path) else { return };
    let told = match access {
        Access::Public => {
            operation["security"] = json!([]);
            "Needs no credentials.".to_owned()
        }
        Access::Needs(permission) => {
            let browser = if method == "get" { json!({"cookie": []}) } else { json!({"cookie": [], "csrf": []}) };
            operation["security"] = json!([{"token": []}, {"key": []}, browser]);
            operation["x-permission"] = permission.name().into();
            let roles: Vec<&str> = permission.roles().iter().map(|role| role.name()).collect();
            format!("Needs the permission `{}`, which these roles have: {}.", permission.name(), roles.join(", "))
        }
    };
    let description = operation["description"].as_str().unwrap_or_default().trim_end();
    let joint = if description.is_empty() { "" } else { "\n\n" };
    operation["description"] = format!("{description}{joint}{told}").into();
}

/// Adds the credentials that there are, and the names of roles and permissions.
pub fn components(document: &mut Value) {
    let components = &mut document["components"];
    components["securitySchemes"] = json!({
        "token": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "An access token of /api/v1/auth/login, which holds for 15 minutes",
        },
        "key": {
            "type": "http", "scheme": "bearer", "bearerFormat": "fandom_…",
            "description": "A key of a program, which an administrator made at /api/v1/keys",
        },
        "cookie": {
            "type": "apiKey", "in": "cookie", "name": "__Host-fandom",
            "description": "A browser's session; by plain HTTP on loopback the cookie is called `fandom`",
        },
        "csrf": {
            "type": "apiKey", "in": "header", "name": "X-CSRF-Token",
            "description": "Goes with the cookie wherever something changes; /api/v1/auth/me tells it",
        },
    });
    let roles = |all: &[Role]| all.iter().map(|role| role.name()).collect::<Vec<_>>();
    let permissions: Vec<&str> = Permission::ALL.iter().map(|permission| permission.name()).collect();
    let of_accounts: Vec<Role> = Role::ALL.into_iter().filter(|role| *role != Role::Service).collect();
    components["schemas"]["Role"] = json!({"type": "string", "enum": roles(&Role::ALL)});
    components["schemas"]["AccountRole"] = json!({
        "type": "string", "enum": roles(&of_accounts), "description": "A role that an account may have",
    });
    components["schemas"]["Permission"] = json!({"type": "string", "enum": permissions});
}
