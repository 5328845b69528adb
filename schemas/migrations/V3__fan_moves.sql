-- How many fans changed their cluster on each of the last 30 local days, by the centroids of now.
create table views.fan_moves (
    day          date not null,
    from_cluster text not null,
    to_cluster   text not null,
    fans         bigint not null,
    primary key (day, from_cluster, to_cluster)
);
