//! Each fan to its nearest centroid.

use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::centroids::{Centroids, Places};
use super::features::Features;
use crate::engine::keyed::{Output, State, evolve};
use crate::facts::key::route_of_fan;
use crate::views::Facts;
use crate::views::fan_history::FanKey;

/// The cluster of every fan, by the centroids of its shard.
pub(super) fn assign<'scope>(
    features: Facts<'scope, (FanKey, Features)>,
    centroids: Facts<'scope, (Shard, Arc<Centroids>)>,
) -> Facts<'scope, (FanKey, u8)> {
    let shards = centroids.map(|(shard, centroids)| (shard, ToAssign::By(centroids)));
    let fans = features.map(|(key, features)| (shard_of(key), ToAssign::Fan(key, features)));
    evolve::<_, _, _, Assigned, _>(fans.concat(shards), "Clusters of fans", |shard| u64::from(*shard), Assign)
}

/// Fans are assigned in so many shards, which are spread over the workers.
pub(super) const SHARDS: Shard = 256;

pub(super) type Shard = u16;

pub(super) fn shard_of((creator, fan): FanKey) -> Shard {
    (route_of_fan(creator, fan) % u64::from(SHARDS)) as Shard
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum ToAssign {
    Fan(FanKey, Features),
    By(Arc<Centroids>),
}

/// A part of the fans with their clusters.
#[derive(Default)]
struct Assigned {
    fans: HashMap<FanKey, (Features, Option<u8>)>,
    centroids: Option<Arc<Centroids>>,
    places: Places,
}

impl State<ToAssign, isize> for Assigned {
    fn update(&mut self, update: ToAssign, diff: isize) {
        match update {
            ToAssign::Fan(key, features) if diff > 0 => {
                let cluster = self.places.nearest(&features);
                self.fans.insert(key, (features, cluster));
            }
            ToAssign::Fan(key, features) if self.fans.get(&key).is_some_and(|(known, _)| *known == features) => {
                self.fans.remove(&key);
            }
            ToAssign::By(centroids) if diff > 0 => {
                self.places = Places::of(&centroids);
                self.centroids = Some(centroids);
            }
            ToAssign::By(centroids) if self.centroids.as_ref() == Some(&centroids) => {
                self.centroids = None;
                self.places = Places::default();
            }
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.fans.is_empty() && self.centroids.is_none()
    }

    fn heap_bytes(&self) -> usize {
        self.fans.allocation_size()
    }
}

impl Assigned {
    /// Looks up the cluster of every fan again; tells those that changed.
    fn assign_all(&mut self, mut changed: impl FnMut(FanKey, Option<u8>, Option<u8>)) {
        let mut fans = std::mem::take(&mut self.fans);
        for (key, (features, cluster)) in &mut fans {
            let now = self.places.nearest(features);
            let before = std::mem::replace(cluster, now);
            if before != now {
                changed(*key, before, now);
            }
        }
        self.fans = fans;
    }
}

/// The cluster of each fan.
struct Assign;

impl Output<Shard, ToAssign, isize, Assigned> for Assign {
    type Record = (FanKey, u8);
    type Diff = isize;

    fn whole(&mut self, _: &Shard, assigned: &mut Assigned, output: &mut Vec<((FanKey, u8), isize)>) {
        assigned.assign_all(|_, _, _| ());
        let clusters = assigned.fans.iter().filter_map(|(key, (_, cluster))| Some((*key, (*cluster)?)));
        output.extend(clusters.map(|cluster| (cluster, 1)));
    }

    fn change(
        &mut self,
        _: &Shard,
        assigned: &mut Assigned,
        mut updates: Vec<(ToAssign, isize)>,
        output: &mut Vec<((FanKey, u8), isize)>,
    ) {
        // What was goes before what is comes.
        updates.sort_by_key(|(_, diff)| *diff);
        let moved = updates.iter().any(|(update, _)| matches!(update, ToAssign::By(_)));
        let mut touched: Vec<FanKey> = updates
            .iter()
            .filter_map(|(update, _)| match update {
                ToAssign::Fan(key, _) => Some(*key),
                ToAssign::By(_) => None,
            })
            .collect();
        touched.sort_unstable();
        touched.dedup();
        let mut tell = |assigned: &Assigned, diff: isize| {
            for key in &touched {
                let cluster = assigned.fans.get(key).and_then(|(_, cluster)| *cluster);
                output.extend(cluster.map(|cluster| ((*key, cluster), diff)));
            }
        };
        tell(assigned, -1);
        updates.into_iter().for_each(|(update, diff)| assigned.update(update, diff));
        tell(assigned, 1);
        if moved {
            assigned.assign_all(|key, before, now| {
                output.extend(before.map(|cluster| ((key, cluster), -1)));
                output.extend(now.map(|cluster| ((key, cluster), 1)));
            });
        }
    }
}
