-- When centroids move, tens of thousands of fans change their cluster in one commit. Where no index holds what changed and the
-- page has room, Postgres writes the row alone. Both columns have a handful of values: lists are read in their order and filtered.
drop index views.fan_measures_by_cluster;
drop index views.fan_measures_by_segment;
alter table views.fan_measures set (fillfactor = 70);
