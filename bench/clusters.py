"""Compares the clusters of the dataflow with scikit-learn's k-means on the same features.

    mkdir -p target/clusters
    FANDOM_CLUSTERS_OUT=$PWD/target/clusters cargo test --release -p fandom-dataflows --test clusters
    python3 bench/clusters.py target/clusters          # needs scikit-learn

Prints, for each data set, the inertia of the dataflow's centroids (each fan to the nearest) divided by that of the best of ten
k-means++ starts over all fans.
"""

import pathlib
import sys

import numpy
from sklearn.cluster import KMeans

folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.glob("fans-*.csv")):
    fans = numpy.loadtxt(path, delimiter=",")
    centroids = numpy.loadtxt(folder / path.name.replace("fans", "centroids"), delimiter=",")
    distances = ((fans[:, None, :] - centroids[None, :, :]) ** 2).sum(axis=2)
    ours = distances.min(axis=1).sum()
    best = KMeans(n_clusters=len(centroids), n_init=10, random_state=0).fit(fans).inertia_
    print(f"{path.name}: {len(fans)} fans, inertia {ours / best:.4f} of scikit-learn's best of ten")
