-- The tables fill themselves at the next start of the dataflow.
comment on table views.chatter_hour is
    'by creator, chatter and local hour; a group is listed when it has a message or a sale';
comment on table views.chatter_day is
    'by creator, chatter and local day; a group is listed when it has a message, a sale or worked time';
comment on table views.chatter_week is
    'by creator, chatter and ISO week; a group is listed when it has a message, a sale or worked time';
comment on table views.chatter_month is
    'by creator, chatter and month; a group is listed when it has a message, a sale or worked time';
comment on table views.chatter_all is
    'by creator and chatter; a group is listed when it has a message, a sale or worked time';
