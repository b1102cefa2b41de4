"""Cross-validation as scikit-learn scripts do it: one figure at the end. Uses scikit-learn where it is installed. Knows nothing of
muster."""
import argparse
import random

try:
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier
except ImportError:  # the same two, for points in a plane

    class KNeighborsClassifier:
        def __init__(self, n_neighbors=5, p=2):
            self.n_neighbors, self.p = n_neighbors, p

        def predict_one(self, train, at):
            near = sorted(train, key=lambda t: sum(abs(a - b) ** self.p for a, b in zip(t[0], at)))[: self.n_neighbors]
            votes = [label for _, label in near]
            return max(sorted(set(votes)), key=votes.count)

    class Scores(list):
        def mean(self):
            return sum(self) / len(self)

    def cross_val_score(model, X, y, cv=5):
        scores = Scores()
        for fold in range(cv):
            train = [(x, label) for i, (x, label) in enumerate(zip(X, y)) if i % cv != fold]
            test = [(x, label) for i, (x, label) in enumerate(zip(X, y)) if i % cv == fold]
            scores.append(sum(model.predict_one(train, x) == label for x, label in test) / len(test))
        return scores


parser = argparse.ArgumentParser()
parser.add_argument("--n_neighbors", type=int, default=5)
parser.add_argument("--p", type=int, default=2)
arguments = parser.parse_args()
draw = random.Random(11)
X = [(draw.uniform(0, 1), draw.uniform(0, 1)) for _ in range(150)]
y = [int((x - 0.5) ** 2 + (z - 0.5) ** 2 + draw.gauss(0, 0.04) < 0.1) for x, z in X]
scores = cross_val_score(KNeighborsClassifier(**vars(arguments)), X, y, cv=5)
print("Accuracy: %0.4f" % scores.mean())
