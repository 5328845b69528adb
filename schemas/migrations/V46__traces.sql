-- The trace of the request that brought a file, as the W3C's header traceparent has it: what becomes of the file belongs to it too.
alter table app.received add column trace text;
