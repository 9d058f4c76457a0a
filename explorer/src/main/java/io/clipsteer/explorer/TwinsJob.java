// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.stats.Correlation;
import io.clipsteer.lab.index.FeatureSearch;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * A feature's nearest features in another run, by the correlation of their largest activations over
 * images: whether another model has the same concept.
 */
final class TwinsJob {
  private static final int SHOWN = 12;

  /** A feature of the other run. */
  record Twin(FeatureSearch.Hit feature, int sae, Correlation correlation) {}

  /** What comes out, the most correlated first. */
  record TwinsResult(int images, List<Twin> features) {}

  private final Desk from;
  private final int sae;
  private final int id;
  private final Desk other;
  private final ImageShelf images;
  private final List<Float> own = new ArrayList<>();
  private final List<List<float[]>> theirs = new ArrayList<>();

  TwinsJob(Desk from, int sae, int id, Desk other, ImageShelf images) {
    this.from = from;
    this.sae = sae;
    this.id = id;
    this.other = other;
    this.images = images;
  }

  void add(String image) {
    var decoded = images.decoded(image);
    own.add(from.workbench().maxima(decoded).get(sae)[id]);
    theirs.add(other.workbench().maxima(decoded));
  }

  Object result() {
    int n = own.size();
    double[] x = own.stream().mapToDouble(Float::doubleValue).toArray();
    List<FeatureSearch.Scored> all = new ArrayList<>();
    var saes = other.run().saes().all();
    for (int s = 0; s < saes.size(); s++) {
      for (int f = 0; f < saes.get(s).sae().features(); f++) {
        double[] y = new double[n];
        for (int k = 0; k < n; k++) y[k] = theirs.get(k).get(s)[f];
        double r = Correlation.pearson(x, y);
        if (r > 0) all.add(new FeatureSearch.Scored(s, f, r));
      }
    }
    all.sort(Comparator.comparingDouble((FeatureSearch.Scored one) -> -one.score()));
    List<Twin> twins = new ArrayList<>();
    for (FeatureSearch.Hit hit : other.search().hits(all, SHOWN)) {
      twins.add(new Twin(hit, other.table().sae(hit), Correlation.of(hit.score(), n)));
    }
    return new TwinsResult(n, twins);
  }
}
