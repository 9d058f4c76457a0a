// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/**
 * Minimises a smooth function: limited-memory BFGS (Nocedal 1980) with a line search for the strong
 * Wolfe conditions (Nocedal and Wright, Numerical Optimization, algorithms 3.5, 3.6 and 7.5).
 */
final class Lbfgs {
  /** A function with its gradient. */
  interface Objective {
    /**
     * Evaluates.
     *
     * @param gradient takes the gradient at x
     * @return the value
     */
    double evaluate(double[] x, double[] gradient);
  }

  /**
   * Where a minimisation ended.
   *
   * @param slope largest |component| of the gradient
   */
  record Minimum(double[] x, double value, double slope, int iterations) {}

  private static final int MEMORY = 10;
  private static final double DECREASE = 1e-4;
  private static final double CURVATURE = 0.9;
  private static final int TRIES = 30;

  private record Pair(double[] step, double[] rise, double product) {}

  private final Objective objective;
  private final Deque<Pair> pairs = new ArrayDeque<>();
  private double[] x;
  private double[] gradient;
  private double value;

  private Lbfgs(Objective objective, double[] start) {
    this.objective = objective;
    x = start.clone();
    gradient = new double[x.length];
    value = objective.evaluate(x, gradient);
  }

  /**
   * Minimises, until no component of the gradient is above {@code tolerance} in size, no step
   * lowers the value, or after {@code most} iterations.
   */
  static Minimum minimise(Objective objective, double[] start, double tolerance, int most) {
    Lbfgs search = new Lbfgs(objective, start);
    int iteration = 0;
    while (iteration < most && largest(search.gradient) > tolerance && search.step()) iteration++;
    return new Minimum(search.x, search.value, largest(search.gradient), iteration);
  }

  private static double largest(double[] v) {
    double most = 0;
    for (double one : v) most = Math.max(most, Math.abs(one));
    return most;
  }

  /** One step; false where none lowers the value. */
  private boolean step() {
    double[] along = direction();
    double slope = dot(along, gradient);
    if (!(slope < 0)) return false;
    double first = pairs.isEmpty() ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1;
    Point next = lineSearch(along, slope, first);
    if (next == null) return false;
    double[] step = difference(next.at, x);
    double[] rise = difference(next.gradient, gradient);
    double product = dot(step, rise);
    if (product > 1e-12 * dot(rise, rise)) {
      pairs.addLast(new Pair(step, rise, product));
      if (pairs.size() > MEMORY) pairs.removeFirst();
    }
    x = next.at;
    gradient = next.gradient;
    value = next.value;
    return true;
  }

  /** Minus the approximated inverse Hessian times the gradient (two-loop recursion). */
  private double[] direction() {
    double[] q = gradient.clone();
    double[] factors = new double[pairs.size()];
    int k = factors.length;
    for (Iterator<Pair> newest = pairs.descendingIterator(); newest.hasNext(); ) {
      Pair pair = newest.next();
      factors[--k] = dot(pair.step, q) / pair.product;
      add(q, pair.rise, -factors[k]);
    }
    if (!pairs.isEmpty()) {
      Pair last = pairs.getLast();
      double scale = last.product / dot(last.rise, last.rise);
      for (int j = 0; j < q.length; j++) q[j] *= scale;
    }
    for (Pair pair : pairs) {
      add(q, pair.step, factors[k++] - dot(pair.rise, q) / pair.product);
    }
    for (int j = 0; j < q.length; j++) q[j] = -q[j];
    return q;
  }

  /** A point on the line, with the slope along it. */
  private record Point(double[] at, double far, double value, double[] gradient, double slope) {}

  private Point point(double[] along, double far) {
    double[] at = x.clone();
    add(at, along, far);
    double[] there = new double[at.length];
    double reached = objective.evaluate(at, there);
    return new Point(at, far, reached, there, dot(there, along));
  }

  /** A point that satisfies the strong Wolfe conditions, or the lowest found; null for none. */
  private @Nullable Point lineSearch(double[] along, double slope, double first) {
    Point low = new Point(x, 0, value, gradient, slope);
    double far = first;
    for (int tries = 0; tries < TRIES; tries++) {
      Point here = point(along, far);
      boolean higher = !(here.value <= value + DECREASE * far * slope);
      if (higher || tries > 0 && here.value >= low.value) {
        return zoom(along, slope, low, here);
      }
      if (Math.abs(here.slope) <= -CURVATURE * slope) return here;
      if (here.slope >= 0) return zoom(along, slope, here, low);
      low = here;
      far *= 2;
    }
    return low.far > 0 ? low : null;
  }

  /** Between a point that satisfies the first condition and one beyond a minimum. */
  private @Nullable Point zoom(double[] along, double slope, Point from, Point to) {
    Point low = from;
    Point high = to;
    for (int tries = 0; tries < TRIES; tries++) {
      Point here = point(along, between(low, high));
      if (!(here.value <= value + DECREASE * here.far * slope) || here.value >= low.value) {
        high = here;
      } else {
        if (Math.abs(here.slope) <= -CURVATURE * slope) return here;
        if (here.slope * (high.far - low.far) >= 0) high = low;
        low = here;
      }
    }
    return low.far > 0 && low.value < value ? low : null;
  }

  /** The minimum of the cubic through both points, or their middle where it lies too far out. */
  private static double between(Point a, Point b) {
    double middle = (a.far + b.far) / 2;
    double theta = a.slope + b.slope - 3 * (a.value - b.value) / (a.far - b.far);
    double root = theta * theta - a.slope * b.slope;
    if (!(root >= 0) || Double.isInfinite(root)) return middle;
    double gamma = Math.copySign(Math.sqrt(root), b.far - a.far);
    double far =
        b.far - (b.far - a.far) * (b.slope + gamma - theta) / (b.slope - a.slope + 2 * gamma);
    double edge = 0.1 * Math.abs(b.far - a.far);
    boolean inside = far >= Math.min(a.far, b.far) + edge && far <= Math.max(a.far, b.far) - edge;
    return inside ? far : middle;
  }

  private static double[] difference(double[] a, double[] b) {
    double[] d = new double[a.length];
    for (int j = 0; j < d.length; j++) d[j] = a[j] - b[j];
    return d;
  }

  private static void add(double[] into, double[] v, double times) {
    for (int j = 0; j < into.length; j++) into[j] += times * v[j];
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int j = 0; j < a.length; j++) sum += a[j] * b[j];
    return sum;
  }
}
