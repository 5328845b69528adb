-- The trail is also listed by who did something and by what was done.
create index audit_actor on app.audit (actor, seq desc);
create index audit_action on app.audit (action, seq desc);
