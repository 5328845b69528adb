//! k-means over weighted points, a function of the points alone.
//!
//! Lloyd's algorithm (S. Lloyd, "Least squares quantization in PCM", 1982) from several k-means++ starts (D. Arthur,
//! S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007), of which the one of least inertia is taken. The starts
//! are drawn with a fixed seed over the points in the order given, so equal points give equal centroids, bit by bit.
//!
//! Nearly equal points should give nearly equal centroids too. So which point a start draws does not hang on a running sum over
//! all of them: each point has its own number at random, by its id, and the greatest by `u^(1/w)` is drawn (P. Efraimidis, P.
//! Spirakis, "Weighted random sampling with a reservoir", 2006). And of starts that end about equally well, always the first is
//! taken.

/// A point with so many dimensions.
pub type Point<const N: usize> = [f64; N];

/// A point that stands for others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted<const N: usize> {
    /// Where it is.
    pub point: Point<N>,
    /// For how many it stands.
    pub weight: f64,
    /// What it is known by while weights change.
    pub id: u64,
}

/// Starts that are drawn, beside the one that is given.
const STARTS: u64 = 8;
/// Rounds of a start, at most.
const ROUNDS: usize = 40;

/// Starts end about equally well when their inertia is not greater than the least by more than this share.
const MARGIN: f64 = 0.01;

/// Centroids of points, as many as the first start has. Fewer points than that are their own centroids.
pub fn kmeans<const N: usize>(points: &[Weighted<N>], first: &[Point<N>]) -> Vec<Point<N>> {
    if points.len() <= first.len() {
        return points.iter().map(|point| point.point).collect();
    }
    let drawn = (0..STARTS).map(|number| seed(points, first.len(), number));
    let ends: Vec<_> = std::iter::once(first.to_vec()).chain(drawn).map(|start| lloyd(points, start)).collect();
    let least = ends.iter().map(|(_, inertia)| *inertia).fold(f64::INFINITY, f64::min);
    let taken = ends.into_iter().find(|(_, inertia)| *inertia <= least * (1.0 + MARGIN));
    taken.map(|(centroids, _)| centroids).unwrap_or_default()
}

/// The nearest centroid, and the square of its distance.
pub fn nearest<const N: usize>(point: &Point<N>, centroids: &[Point<N>]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (place, centroid) in centroids.iter().enumerate() {
        let distance = square_distance(point, centroid);
        if distance < best.1 {
            best = (place, distance);
        }
    }
    best
}

fn square_distance<const N: usize>(a: &Point<N>, b: &Point<N>) -> f64 {
    let mut sum = 0.0;
    for dimension in 0..N {
        let difference = a[dimension] - b[dimension];
        sum += difference * difference;
    }
    sum
}

/// k-means++: each next centroid is drawn with a chance in proportion to the square of its distance from those there.
fn seed<const N: usize>(points: &[Weighted<N>], k: usize, start: u64) -> Vec<Point<N>> {
    let mut centroids: Vec<Point<N>> = Vec::with_capacity(k);
    let mut costs: Vec<f64> = points.iter().map(|point| point.weight).collect();
    while centroids.len() < k {
        let draw = start << 8 | centroids.len() as u64;
        // The greatest `u^(1/cost)` is the least `-ln u / cost`.
        let race = points.iter().zip(&costs).map(|(point, cost)| -uniform(point.id, draw).ln() / cost);
        let drawn = race.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(place, _)| place);
        let (drawn, first) = (points[drawn].point, centroids.is_empty());
        centroids.push(drawn);
        for (point, cost) in points.iter().zip(&mut costs) {
            let new = point.weight * square_distance(&point.point, &drawn);
            *cost = if first { new } else { cost.min(new) };
        }
    }
    centroids
}

/// Moves centroids to the means of the points nearest to them until none changes; returns them with the inertia.
fn lloyd<const N: usize>(points: &[Weighted<N>], mut centroids: Vec<Point<N>>) -> (Vec<Point<N>>, f64) {
    let mut assigned = vec![usize::MAX; points.len()];
    let mut inertia = 0.0;
    for _ in 0..ROUNDS {
        let mut changed = false;
        inertia = 0.0;
        let mut sums = vec![([0.0; N], 0.0); centroids.len()];
        for (Weighted { point, weight, .. }, assigned) in points.iter().zip(&mut assigned) {
            let (place, distance) = nearest(point, &centroids);
            changed |= *assigned != place;
            *assigned = place;
            inertia += weight * distance;
            let (sum, total) = &mut sums[place];
            for dimension in 0..N {
                sum[dimension] += weight * point[dimension];
            }
            *total += weight;
        }
        if !changed {
            break;
        }
        for (centroid, (sum, total)) in centroids.iter_mut().zip(&sums) {
            // A centroid that no point is nearest to stays where it is.
            if *total > 0.0 {
                *centroid = sum.map(|sum| sum / total);
            }
        }
    }
    (centroids, inertia)
}

/// The number at random of a point in a draw, above 0 and below 1: SplitMix64's mixing (G. Steele, D. Lea, C. Flood, "Fast
/// splittable pseudorandom number generators", OOPSLA 2014).
fn uniform(id: u64, draw: u64) -> f64 {
    let mut mixed = id ^ draw.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (((mixed ^ mixed >> 31) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}
