// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The commands that reproduce a report's numbers, as the manifests have them. */
record Commands(RunFolder folder, IndexFolder index, @Nullable MeasuredSteerability steering) {

  /** By section of the page. */
  Map<String, String> all(Report report, Path out) {
    String run = folder.path().toString();
    Map<String, String> all = new LinkedHashMap<>();
    put(all, "train", folder.manifest());
    put(all, "index", index.made(IndexedUnits.FEATURES));
    put(all, "evaluate", folder.evaluationManifest());
    put(all, "steerability", steering == null ? null : steering.manifest());
    all.put("steer", ShellLine.of(List.of("steer", "--run", run)));
    Path library = index.library();
    List<String> words = List.of("--library", String.valueOf(library));
    all.put("words", library == null ? "--labels dog,cat,bird" : ShellLine.quoted(words));
    all.put("search", ShellLine.of(List.of("search", "--run", run)));
    all.put("report", ShellLine.of(page(run, report, out)));
    return all;
  }

  private static void put(Map<String, String> all, String name, @Nullable RunManifest manifest) {
    if (manifest != null) all.put(name, ShellLine.of(manifest.command()));
  }

  private static List<String> page(String run, Report report, Path out) {
    List<String> words = new ArrayList<>(List.of("report", "--run", run));
    Path steerability = report.steerability();
    if (steerability != null) words.addAll(List.of("--steerability", steerability.toString()));
    for (Path edit : report.edits()) words.addAll(List.of("--edit", edit.toString()));
    words.addAll(List.of("--features", Integer.toString(report.features())));
    words.addAll(List.of("--exemplars", Integer.toString(report.exemplars())));
    words.addAll(List.of("--seed", Long.toString(report.seed()), "--out", out.toString()));
    return words;
  }
}
