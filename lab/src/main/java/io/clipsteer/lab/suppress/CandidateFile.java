// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.run.RunSaes;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The candidates of a trial in a file, for the processes that evaluate it. Numbers are written with
 * all their digits. SAEs are named by their folders in the run.
 */
final class CandidateFile {
  private static final String REMEDY = "Give the command again with --resume";

  /**
   * What the file holds.
   *
   * @param fingerprint of the trial, as the driver has it
   */
  private record Listed(String fingerprint, List<CandidateJson> candidates) {}

  private record CandidateJson(Candidate.Family family, String sae, int size, EditJson edit) {}

  private record EditJson(
      String hookPoint, String tokens, int prefixTokens, TargetJson target, RuleJson rule) {}

  /** Features, neurons, directions or noise; what a kind does not have is empty. */
  private record TargetJson(
      String kind,
      String sae,
      boolean raw,
      int width,
      int[] ids,
      float[] read,
      float[] written,
      float[] centre,
      long seed,
      @Nullable EditJson like) {}

  private record RuleJson(String kind, float[] values, double number, @Nullable RuleJson whole) {}

  private final RunSaes saes;

  CandidateFile(RunSaes saes) {
    this.saes = saes;
  }

  /**
   * Writes.
   *
   * @param fingerprint of the trial
   */
  void write(Path file, String fingerprint, List<Candidate> candidates) {
    List<CandidateJson> all =
        candidates.stream()
            .map(one -> new CandidateJson(one.family(), one.sae(), one.size(), json(one.edit())))
            .toList();
    AtomicFiles.writeText(file, JsonFile.line(new Listed(fingerprint, all)));
  }

  List<Candidate> read(Path file) {
    return JsonFile.read(file, Listed.class, REMEDY).candidates.stream()
        .map(one -> new Candidate(one.family, one.sae, one.size, edit(one.edit, file)))
        .toList();
  }

  /**
   * Refuses a trial that is not the driver's: its blocks would not be accepted.
   *
   * @param fingerprint of the trial in this process
   */
  void check(Path file, String fingerprint) {
    if (JsonFile.read(file, Listed.class, REMEDY).fingerprint.equals(fingerprint)) return;
    throw new InputException(
        "the cluster",
        "has a process that reads other images, or embeds prompts with other bits, than the driver",
        "Give it the same files; for processors of several kinds embed the words before,"
            + " --library");
  }

  private EditJson json(Edit edit) {
    EditSite site = edit.site();
    return new EditJson(
        site.point().peerName(),
        site.tokens().text(),
        site.prefixTokens(),
        json(edit.target()),
        json(edit.rule()));
  }

  private TargetJson json(Edit.Target target) {
    int[] ids = {};
    float[] none = {};
    return switch (target) {
      case Edit.Features one ->
          new TargetJson(
              "features", name(one.sae()), one.raw(), 0, one.ids(), none, none, none, 0, null);
      case Edit.Neurons one ->
          new TargetJson("neurons", "", false, one.width(), one.ids(), none, none, none, 0, null);
      case Edit.Direction one ->
          new TargetJson(
              "directions",
              one.sae() == null ? "" : name(one.sae()),
              false,
              0,
              ids,
              one.read(),
              one.written(),
              one.centre(),
              0,
              null);
      case Edit.Noise one ->
          new TargetJson(
              "noise", "", false, 0, ids, none, none, none, one.seed(), json(one.like()));
    };
  }

  private static RuleJson json(Rule rule) {
    float[] none = {};
    return switch (rule) {
      case Rule.Set(float[] values) -> new RuleJson("set", values, 0, null);
      case Rule.Cap(float[] values) -> new RuleJson("cap", values, 0, null);
      case Rule.Scale(double factor) -> new RuleJson("scale", none, factor, null);
      case Rule.Add(double value) -> new RuleJson("add", none, value, null);
      case Rule.Times(Rule whole, float[] strengths) ->
          new RuleJson("times", strengths, 0, json(whole));
    };
  }

  private String name(Sae sae) {
    for (RunSaes.One one : saes.all()) if (one.sae() == sae) return one.entry().folder();
    throw new IllegalArgumentException("an SAE of another run");
  }

  private Sae sae(String name, Path file) {
    for (RunSaes.One one : saes.all()) if (one.entry().folder().equals(name)) return one.sae();
    throw damaged(file, "names the SAE " + name);
  }

  private Edit edit(EditJson json, Path file) {
    var site =
        new EditSite(
            HookPoint.parse(json.hookPoint), new TokenMask(json.tokens), json.prefixTokens);
    return new Edit(site, target(json.target, file), rule(json.rule, file));
  }

  private Edit.Target target(TargetJson json, Path file) {
    return switch (json.kind) {
      case "features" -> new Edit.Features(sae(json.sae, file), json.ids, json.raw);
      case "neurons" -> new Edit.Neurons(json.width, json.ids);
      case "directions" ->
          new Edit.Direction(
              json.read,
              json.written,
              json.centre,
              json.sae.isEmpty() ? null : sae(json.sae, file));
      case "noise" -> new Edit.Noise(edit(present(json.like, file), file), json.seed);
      default -> throw damaged(file, "edits " + json.kind);
    };
  }

  private static Rule rule(RuleJson json, Path file) {
    return switch (json.kind) {
      case "set" -> new Rule.Set(json.values);
      case "cap" -> new Rule.Cap(json.values);
      case "scale" -> new Rule.Scale(json.number);
      case "add" -> new Rule.Add(json.number);
      case "times" -> new Rule.Times(rule(present(json.whole, file), file), json.values);
      default -> throw damaged(file, "has the rule " + json.kind);
    };
  }

  private static <T> T present(@Nullable T part, Path file) {
    if (part == null) throw damaged(file, "lacks a part");
    return part;
  }

  private static InputException damaged(Path file, String what) {
    return new InputException(file, what, REMEDY);
  }
}
