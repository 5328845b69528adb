-- The rows of each file's newest version that could not be read, up to a number; all of them are on the topic fandom.rejects.
create table app.rejects (
    file            text not null references app.uploads on delete cascade,
    version         bigint not null,
    ordinal         bigint not null,             -- in the order of the file
    sheet           text,
    row             integer not null,            -- 1-based row of the sheet
    "column"        text,                        -- header of the column at fault
    reason          text not null,
    cells           text[] not null,             -- the row's cells as text
    primary key (file, version, ordinal)
);
