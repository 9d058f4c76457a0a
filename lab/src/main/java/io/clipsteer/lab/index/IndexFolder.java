// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.run.BlockFiles;
import io.clipsteer.lab.run.RunFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * An index on disk: Parquet tables, vectors, and one JSON file each for features and neurons. The
 * JSON file is written last: an index with it is complete.
 *
 * @param path {@code index} in the run's folder, or another
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record IndexFolder(Path path) {
  /** The tables' names after {@code feature_} or {@code neuron_}, in the order of writing. */
  static final List<String> PARTS = List.of("tops", "labels", "names", "images");

  /** What is said in the place of a name that a feature does not have. */
  public static final String NO_NAME = "no clear name";

  /**
   * Images on which a unit must be active to have a name, and that must have and lack a label for
   * the label's associations to be ranked.
   */
  public static final int FEW_IMAGES = 10;

  static final int PROTOCOL = 3;

  /**
   * The JSON file.
   *
   * @param protocol 3
   * @param model checkpoint, absolute
   * @param source of the images
   * @param images images indexed
   * @param skipped images skipped
   * @param notes on what else the image set holds, a sentence each
   * @param labels distinct labels
   * @param labelColumns columns of labels that are ignored
   * @param meanCosine of two images' embeddings
   * @param top images kept per unit and ranking
   * @param vocabulary words that names were chosen from; 0 without names
   * @param groups SAEs or hook points, in the run's order
   */
  public record IndexManifest(
      int protocol,
      String clipsteer,
      String model,
      String source,
      long images,
      int skipped,
      List<String> notes,
      int labels,
      List<LabelColumn> labelColumns,
      double meanCosine,
      int top,
      int vocabulary,
      List<IndexGroup> groups) {
    /**
     * The monosemanticity from which a feature is called monosemantic: a quarter of the way from
     * two images at random to two equal ones.
     */
    public double clearMonosemanticity() {
      return meanCosine + (1 - meanCosine) / 4;
    }
  }

  /**
   * One SAE, or the neurons of a hook point.
   *
   * @param sae the SAE's folder, or the hook point with its tokens
   * @param units their number
   */
  public record IndexGroup(
      String sae, String hookPoint, String tokens, int units, int rows, int columns, int prefix) {}

  /** Of a run. */
  public static IndexFolder of(RunFolder run) {
    return new IndexFolder(run.index());
  }

  /** Name of the manifest: features and neurons are indexed each by a command of its own. */
  public static String manifest(IndexedUnits units) {
    return units == IndexedUnits.FEATURES ? RunManifest.FILE : units + "." + RunManifest.FILE;
  }

  /** What a command of some units keeps until it ends. */
  public static WorkFolder.FolderLayout layout(IndexedUnits units) {
    return new WorkFolder.FolderLayout(null, List.of(blocks(units)));
  }

  private static String blocks(IndexedUnits units) {
    return units + ".blocks";
  }

  /** Results of a pass's blocks, until it ends. */
  public BlockFiles blocks(IndexedUnits units, String fingerprint) {
    return new BlockFiles(path.resolve(blocks(units)), fingerprint);
  }

  /** How it was made; null where that is not known. */
  public @Nullable RunManifest made(IndexedUnits units) {
    return RunManifest.find(path.resolve(manifest(units)));
  }

  /** The text library that names came from; null where a text tower read the words. */
  public @Nullable Path library() {
    RunManifest made = made(IndexedUnits.FEATURES);
    return made != null && made.config().get("library") instanceof String library
        ? Path.of(library)
        : null;
  }

  private Path json(IndexedUnits units) {
    return path.resolve(units + ".json");
  }

  /** Vectors of the units. */
  Path vectors(IndexedUnits units) {
    return path.resolve(units.one() + "_vectors.safetensors");
  }

  /** A table's file. */
  Path table(String name) {
    return path.resolve(name + ".parquet");
  }

  /**
   * Refuses a folder that is not writable or holds something else; called early.
   *
   * @throws InputException with what is in the way
   */
  public void checkWritable(IndexedUnits units) {
    if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)
        && !(Files.isDirectory(path) && Files.isWritable(path))) {
      throw new InputException(
          path, "is no folder that can be written into", "Move it, or check its rights");
    }
    if (Files.exists(json(units), LinkOption.NOFOLLOW_LINKS)) {
      read(units);
      return;
    }
    // Without the JSON file, tables of these names may only be an unfinished index's.
    for (String part : PARTS) {
      Path table = table(units.one() + "_" + part);
      if (Files.isDirectory(table)) {
        throw new InputException(table, "is a folder, a table goes there", "Move it elsewhere");
      }
    }
  }

  /**
   * Refuses an index of another SAE than a run has.
   *
   * @param sae the SAE's folder in the run
   * @param weights its file
   */
  public void checkSae(String sae, Path weights) {
    RunManifest made = RunManifest.find(path.resolve(RunManifest.FILE));
    String hash = made == null ? null : made.hashes().get(sae);
    if (hash == null || !Files.isRegularFile(weights)) return;
    if (!hash.equals(Hashes.sha256(weights))) {
      throw new InputException(
          path, "was made with another SAE than " + weights, "Make it again with clipsteer index");
    }
  }

  /** Whether there is a complete index. */
  public boolean has(IndexedUnits units) {
    return Files.isRegularFile(json(units));
  }

  /**
   * Reads the JSON file.
   *
   * @throws InputException when there is no complete index, or it is not ours
   */
  public IndexManifest read(IndexedUnits units) {
    Path file = json(units);
    if (!Files.isRegularFile(file)) {
      throw new InputException(path, "holds no index of " + units, "Make one with clipsteer index");
    }
    String remedy = "Move it elsewhere, and index again";
    try {
      IndexManifest manifest =
          JsonFile.MAPPER.readValue(Files.readAllBytes(file), IndexManifest.class);
      if (manifest == null || manifest.protocol() != PROTOCOL || manifest.groups() == null) {
        throw new InputException(file, "is no index by this version of clipsteer", remedy);
      }
      return manifest;
    } catch (JacksonException e) {
      throw new InputException(file, "is no index by clipsteer", remedy, e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
  }

  /**
   * Deletes the JSON file: from now on the index is unfinished. Proxies of the older features go,
   * too.
   */
  void open(IndexedUnits units) {
    try {
      Files.deleteIfExists(json(units));
      if (units == IndexedUnits.FEATURES) {
        Files.deleteIfExists(table(ProxyTable.NAME));
        Files.deleteIfExists(path.resolve(ProxyTable.MANIFEST));
      }
    } catch (IOException e) {
      throw new InputException(
          path, "cannot be written into: " + Reasons.of(e), "Check its rights", e);
    }
  }

  /** Writes the JSON file, last. */
  void finish(IndexedUnits units, IndexManifest manifest) {
    AtomicFiles.writeJson(json(units), manifest);
  }
}
