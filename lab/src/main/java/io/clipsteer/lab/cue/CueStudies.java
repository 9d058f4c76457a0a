// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.cue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.NewFolder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.suppress.SuppressionReport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/**
 * Studies of several cue sizes, each repeated with other labels. A finished study is saved, and
 * read when the studies are resumed.
 *
 * @param folder of the results: {@code studies}, {@code suppressions} and {@code images}
 * @param seed of all studies
 */
public record CueStudies(InjectedCue study, Path folder, long seed) {
  private static final String REMEDY = "Delete it, and its study is repeated";

  /**
   * Runs the studies that are not finished.
   *
   * @param skipped takes each study's images that could not be read
   * @return all results, repeat by repeat
   * @throws InputException when a saved result is damaged or belongs to another study
   */
  public List<CueResult> run(
      List<Cue> cues, int repeats, Consumer<List<ImageLoader.Skipped>> skipped, Progress progress) {
    List<CueResult> results = new ArrayList<>();
    for (int repeat = 0; repeat < repeats; repeat++) {
      for (Cue cue : cues) results.add(one(cue, repeat, skipped, progress));
    }
    return results;
  }

  private CueResult one(
      Cue cue, int repeat, Consumer<List<ImageLoader.Skipped>> skipped, Progress progress) {
    String name = String.format(Locale.ROOT, "%s-%d", cue.size(), repeat);
    long own = seed * 1000 + repeat;
    Path file = folder.resolve("studies").resolve(name + ".json");
    if (Files.exists(file)) {
      CueResult saved = JsonFile.read(file, CueResult.class, REMEDY);
      if (saved.isOf(cue, own)) return saved;
      throw new InputException(file, "is not the result of this study", REMEDY);
    }
    Path images = folder.resolve("images").resolve(name);
    NewFolder.delete(images); // Of a study that was stopped.
    SuppressionReport report = study.run(cue, images, own, progress);
    skipped.accept(report.skipped());
    CueResult result = CueResult.of(cue, own, report);
    AtomicFiles.writeJson(folder.resolve("suppressions").resolve(name + ".json"), report.json());
    AtomicFiles.writeJson(file, result);
    return result;
  }
}
