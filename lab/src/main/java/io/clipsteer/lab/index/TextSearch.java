// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Finds an index's features for texts; the features' vectors stay in memory. The score is that of a
 * name (both the feature's images and its effect are similar to the text), times {@link
 * UnitTally#strength}: a feature of three images has a precise direction, but seldom represents a
 * text.
 */
@API(status = API.Status.MAINTAINED, since = "0.1")
public final class TextSearch implements AutoCloseable {
  /**
   * Vectors of one SAE's features, in the index's order.
   *
   * @param images mean embedding of the images of each feature [f,e]
   * @param decoder change of the embedding by each feature [f,e]
   * @param strength [f]
   */
  private record GroupVectors(Tensor images, Tensor decoder, float[] strength) {
    void close() {
      images.close();
      decoder.close();
    }
  }

  private final FeatureSearch features;
  private final double[] centre;
  private final List<GroupVectors> groups;

  private TextSearch(FeatureSearch features, double[] centre, List<GroupVectors> groups) {
    this.features = features;
    this.centre = centre;
    this.groups = groups;
  }

  /**
   * Reads the vectors.
   *
   * @param width e of the model's embedding
   * @throws InputException when the index has none, or they do not fit
   */
  public static TextSearch open(FeatureSearch features, int width) {
    IndexFolder folder = features.folder();
    List<GroupVectors> groups = new ArrayList<>();
    try (TensorFile file = SafeTensors.open(folder.vectors(IndexedUnits.FEATURES));
        Scope scope = Scope.open()) {
      if (!file.tensors().containsKey("text_centre")) {
        throw new InputException(
            folder.path(), "was made without words", "Index again with --vocabulary or --library");
      }
      float[] centre = floats(file, "text_centre", width);
      double[] wide = new double[centre.length];
      for (int j = 0; j < wide.length; j++) wide[j] = centre[j];
      for (int g = 0; g < features.frequencies().size(); g++) {
        int units = features.frequencies().get(g).length;
        if (!file.tensors().containsKey(g + ".strength")) {
          throw new InputException(
              folder.path(), "was made by an older version of clipsteer", "Index again");
        }
        groups.add(
            new GroupVectors(
                rows(file, g + ".images", units, width),
                rows(file, g + ".decoder", units, width),
                floats(file, g + ".strength", units)));
      }
      for (GroupVectors group : groups) {
        scope.release(group.images);
        scope.release(group.decoder);
      }
      return new TextSearch(features, wide, groups);
    }
  }

  private static float[] floats(TensorFile file, String name, long elements) {
    StoredTensor tensor = file.get(name);
    if (tensor.elements() != elements) {
      throw new InputException(file.path(), tensor + " does not fit", "Index again");
    }
    return tensor.toFloats();
  }

  private static Tensor rows(TensorFile file, String name, int units, int width) {
    return Tensor.of(floats(file, name, (long) units * width), units, width);
  }

  /**
   * The features that fit a text best.
   *
   * @param embedding of the text, unit length [e]
   */
  public List<FeatureSearch.Hit> find(float[] embedding, int count) {
    float[] query = Namer.centred(embedding, centre);
    List<FeatureSearch.Scored> all = new ArrayList<>();
    for (int g = 0; g < groups.size(); g++) {
      float[] scores = scores(groups.get(g), query);
      for (int u = 0; u < scores.length; u++) {
        if (scores[u] > 0) all.add(new FeatureSearch.Scored(g, u, scores[u]));
      }
    }
    return features.hits(all, count);
  }

  /** The largest score of any feature for a text, 0 where none is above it. */
  public double best(float[] embedding) {
    float[] query = Namer.centred(embedding, centre);
    double best = 0;
    for (GroupVectors group : groups) {
      for (float score : scores(group, query)) best = Math.max(best, score);
    }
    return best;
  }

  private static float[] scores(GroupVectors group, float[] query) {
    try (Scope scope = Scope.open()) {
      Tensor column = Tensor.of(query, query.length, 1);
      float[] images = group.images.matmul(column).toFloats();
      float[] decoder = group.decoder.matmul(column).toFloats();
      float[] scores = new float[images.length];
      for (int u = 0; u < scores.length; u++) {
        scores[u] = Namer.both(decoder[u], images[u]) * group.strength[u];
      }
      return scores;
    }
  }

  @Override
  public void close() {
    groups.forEach(GroupVectors::close);
  }
}
