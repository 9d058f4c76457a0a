// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The commands that reproduce a report's numbers. That of training is in its manifest; the others
 * are built from the settings that their files record.
 */
record Commands(
    RunFolder folder,
    IndexFolder.IndexManifest index,
    @Nullable JsonNode evaluation,
    @Nullable MeasuredSteerability steering,
    @Nullable Path library) {

  /** By section of the page. */
  Map<String, String> all(Report report, Path out) {
    String run = folder.path().toString();
    Map<String, String> all = new LinkedHashMap<>();
    if (Files.isRegularFile(folder.path().resolve(RunManifest.FILE))) {
      all.put("train", ShellLine.of(RunManifest.read(folder.path()).command()));
    }
    List<String> indexing =
        new ArrayList<>(List.of("index", "--run", run, "--images", index.source()));
    indexing.addAll(List.of("--top", Integer.toString(index.top())));
    all.put("index", ShellLine.of(indexing) + (index.labels() > 0 ? " --labels …" : ""));
    JsonNode measured = evaluation;
    if (measured != null) {
      String source = measured.path("source").asString("");
      long images = measured.path("images").asLong(0) + measured.path("skipped").asLong(0);
      List<String> words = new ArrayList<>(List.of("evaluate", "--run", run, "--images", source));
      words.addAll(List.of("--limit", Long.toString(images)));
      all.put("evaluate", ShellLine.of(words));
    }
    if (steering != null) all.put("steerability", steerability(run, steering) + " --vocabulary …");
    all.put("steer", ShellLine.of(List.of("steer", "--run", run)));
    List<String> words = List.of("--library", String.valueOf(library));
    all.put("words", library == null ? "--labels dog,cat,bird" : ShellLine.quoted(words));
    all.put("search", ShellLine.of(List.of("search", "--run", run)));
    all.put("report", ShellLine.of(page(run, report, out)));
    return all;
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

  /** From both of the folder's files: result and settings. */
  private static String steerability(String run, MeasuredSteerability steering) {
    JsonNode json = steering.json();
    JsonNode config = steering.config();
    String source = json.path("source").asString("");
    List<String> words = new ArrayList<>(List.of("steerability", "--run", run, "--images", source));
    for (String key : List.of("strength", "tau", "at")) {
      words.addAll(List.of("--" + key, json.path(key).asString("")));
    }
    TreeSet<Integer> layers = new TreeSet<>();
    for (JsonNode layer : json.path("layers")) layers.add(layer.path("layer").asInt());
    words.addAll(
        List.of("--layers", String.join(",", layers.stream().map(String::valueOf).toList())));
    for (String key : List.of("limit", "sample", "random_count", "seed")) {
      String value = config.path(key).asString("");
      boolean unset =
          value.isEmpty()
              || value.equals(Long.toString(Long.MAX_VALUE))
              || key.equals("sample") && value.equals("0");
      if (!unset) words.addAll(List.of("--" + key.replace('_', '-'), value));
    }
    List<String> units = new ArrayList<>();
    for (JsonNode unit : config.path("units")) units.add(unit.asString(""));
    if (!units.isEmpty()) words.addAll(List.of("--units", String.join(",", units)));
    if (json.path("screen").asBoolean(false)) words.add("--screen");
    words.addAll(List.of("--out", steering.folder().toString()));
    return ShellLine.of(words);
  }
}
