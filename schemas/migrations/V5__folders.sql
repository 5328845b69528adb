-- The folder that a source was last seen in, so that another one in its place (the mount point of a disk that is not mounted) is
-- not taken for the same folder emptied.
create table app.folders (
    source text primary key,
    root   text not null                         -- device and inode
);
