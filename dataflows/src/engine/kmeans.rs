//! k-means over weighted points, a function of the points alone.
//!
//! Lloyd's algorithm (S. Lloyd, "Least squares quantization in PCM", 1982) from several k-means++ starts (D. Arthur,
//! S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007), of which the one of least inertia is taken. The starts
//! are drawn with a fixed seed over the points in the order given, so equal points give equal centroids, bit by bit.

/// A point with so many dimensions.
pub type Point<const N: usize> = [f64; N];

/// Starts; the best of them is taken.
const STARTS: u64 = 5;
/// Rounds of a start, at most.
const ROUNDS: usize = 40;

/// At most `k` centroids of points with their weights (positive). Fewer points than `k` are their own centroids.
pub fn kmeans<const N: usize>(points: &[(Point<N>, f64)], k: usize) -> Vec<Point<N>> {
    if points.len() <= k {
        return points.iter().map(|(point, _)| *point).collect();
    }
    let starts = (0..STARTS).map(|start| lloyd(points, seed(points, k, start)));
    let best = starts.min_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map(|(centroids, _)| centroids).unwrap_or_default()
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
fn seed<const N: usize>(points: &[(Point<N>, f64)], k: usize, start: u64) -> Vec<Point<N>> {
    let mut chance = Chance(start.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d);
    let mut centroids: Vec<Point<N>> = Vec::with_capacity(k);
    let mut costs: Vec<f64> = points.iter().map(|(_, weight)| *weight).collect();
    while centroids.len() < k {
        let drawn = points[draw(&costs, chance.next())].0;
        let first = centroids.is_empty();
        centroids.push(drawn);
        for ((point, weight), cost) in points.iter().zip(&mut costs) {
            let new = weight * square_distance(point, &drawn);
            *cost = if first { new } else { cost.min(new) };
        }
    }
    centroids
}

/// The place at which the running sum of costs passes this share of their total.
fn draw(costs: &[f64], share: f64) -> usize {
    let mut rest = share * costs.iter().sum::<f64>();
    for (place, cost) in costs.iter().enumerate() {
        rest -= cost;
        if rest < 0.0 {
            return place;
        }
    }
    costs.len() - 1
}

/// Moves centroids to the means of the points nearest to them until none changes; returns them with the inertia.
fn lloyd<const N: usize>(points: &[(Point<N>, f64)], mut centroids: Vec<Point<N>>) -> (Vec<Point<N>>, f64) {
    let mut assigned = vec![usize::MAX; points.len()];
    let mut inertia = 0.0;
    for _ in 0..ROUNDS {
        let mut changed = false;
        inertia = 0.0;
        let mut sums = vec![([0.0; N], 0.0); centroids.len()];
        for ((point, weight), assigned) in points.iter().zip(&mut assigned) {
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

/// SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
struct Chance(u64);

impl Chance {
    /// From 0 to below 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }
}
