// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.ShellWords;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.lab.index.IndexedUnits;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Commands to paste into a shell. */
public final class Commands {
  private Commands() {}

  /** The program's call with {@code words}, as a shell takes them. */
  public static String line(List<String> words) {
    return "clipsteer " + ShellWords.line(words);
  }

  /**
   * Those that reproduce a report's numbers, as the manifests have them, by section of the page.
   */
  static Map<String, String> all(Report report, @Nullable MeasuredSteerability steering, Path out) {
    String run = report.folder().path().toString();
    Map<String, String> all = new LinkedHashMap<>();
    put(all, "train", report.folder().manifest());
    put(all, "index", report.index().made(IndexedUnits.FEATURES));
    put(all, "evaluate", report.folder().evaluationManifest());
    put(all, "steerability", steering == null ? null : steering.manifest());
    all.put("steer", line(List.of("steer", "--run", run)));
    Path library = report.index().library();
    List<String> words = List.of("--library", String.valueOf(library));
    all.put("words", library == null ? "--classes dog,cat,bird" : ShellWords.line(words));
    all.put("search", line(List.of("search", "--run", run)));
    all.put("report", line(page(run, report, out)));
    return all;
  }

  private static void put(Map<String, String> all, String name, @Nullable RunManifest manifest) {
    if (manifest != null) all.put(name, line(manifest.command()));
  }

  private static List<String> page(String run, Report report, Path out) {
    List<String> words = new ArrayList<>(List.of("report", "--run", run));
    Path steerability = report.steerability();
    if (steerability != null) words.addAll(List.of("--steerability", steerability.toString()));
    for (Path edit : report.edits()) words.addAll(List.of("--edit", edit.toString()));
    for (Path study : report.studies()) words.addAll(List.of("--study", study.toString()));
    for (Path one : report.evaluations()) words.addAll(List.of("--labels", one.toString()));
    words.addAll(List.of("--features", Integer.toString(report.features())));
    words.addAll(List.of("--exemplars", Integer.toString(report.exemplars())));
    words.addAll(List.of("--seed", Long.toString(report.seed()), "--out", out.toString()));
    return words;
  }
}
