// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.sae.format.SaeClaims;
import io.clipsteer.engine.sae.format.SaeExport;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.engine.sae.format.SaeFormat;
import io.clipsteer.engine.sae.format.StoredSae;
import io.clipsteer.lab.evaluate.SaeMistake;
import io.clipsteer.lab.evaluate.SaeProof;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Reconstruction;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code sae convert} and {@code sae verify}. */
@Command(
    name = "sae",
    description = "SAEs of this and other tools: write them in another format, prove them.",
    mixinStandardHelpOptions = true,
    subcommands = {SaeCommand.Convert.class, SaeCommand.Verify.class})
final class SaeCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Say sae convert or sae verify.");
  }

  /** What an SAE is; the keys are a contract. */
  private static Map<String, Object> describe(Path path, StoredSae stored) {
    Sae sae = stored.sae();
    SaeClaims claims = stored.claims();
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("path", path.toString());
    json.put("format", claims.format().label());
    json.put("activation", words(sae.activation()));
    json.put("d_in", sae.width());
    json.put("d_sae", sae.features());
    json.put("normalisation", sae.normalisation().peerName());
    json.put("subtracts_b_dec", sae.subtractsDecoderBias());
    json.put("hook_point", claims.hookName());
    json.put("model", claims.modelName());
    return json;
  }

  private static String words(SaeActivation activation) {
    return switch (activation) {
      case SaeActivation.TopK top -> "topk:k=" + top.k();
      case SaeActivation.Relu relu -> "relu";
      case SaeActivation.JumpRelu jump -> "jumprelu";
    };
  }

  /** Another tool's format. */
  @Command(
      name = "convert",
      description = {
        "Writes an SAE of any known format in another one; it reconstructs as before.",
        "Read: saelens, prisma, saev, dictionary_learning (sae-for-vlm), sparsify, openai,"
            + " patchsae."
      },
      footer = {"", "Example: clipsteer sae convert prisma/layer-8 --to saelens --out saes/l8"})
  static final class Convert implements Callable<Integer> {
    @Mixin private CommonOptions common;

    @Parameters(paramLabel = "IN", description = "An SAE's folder or file.")
    private Path in;

    @Option(
        names = "--to",
        required = true,
        paramLabel = "FORMAT",
        description = "saelens, prisma, saev, dictionary_learning or sparsify.")
    private String to;

    @Option(names = "--out", required = true, paramLabel = "OUT", description = "New folder.")
    private Path out;

    @Option(
        names = "--hook",
        paramLabel = "NAME",
        description = "The hook point, where the files do not tell: blocks.7.hook_resid_post.")
    private @Nullable String hook;

    @Option(
        names = "--fix",
        paramLabel = "CAUSE",
        description = "Mend what sae verify named, such as b_dec_not_subtracted.")
    private @Nullable String fix;

    @Override
    public Integer call() {
      common.applyOnCpu();
      SaeFormat format = CommonOptions.value("--to", to, SaeFormat::parse);
      SaeMistake mistake =
          fix == null ? null : CommonOptions.value("--fix", fix, SaeMistake::parse);
      try (StoredSae read = SaeFiles.open(in)) {
        SaeClaims claims = read.claims();
        if (hook != null) {
          claims =
              claims.withHook(CommonOptions.value("--hook", hook, HookPoint::parse).peerName());
        }
        Sae sae = read.sae();
        if (mistake != null) {
          Sae mended = mistake.mend(sae, claims);
          if (mended == null) {
            throw new InputException(
                in, "cannot have the mistake " + fix, "Leave --fix out, or run sae verify");
          }
          sae = mended;
        }
        StoredSae stored = new StoredSae(sae, claims);
        List<String> notes = new ArrayList<>(claims.notes());
        RunManifest manifest = common.manifest(Hashes.files(in));
        notes.addAll(SaeExport.write(out, format, stored));
        manifest.finish(Map.of()).writeTo(out);
        Map<String, Object> json = describe(in, stored);
        json.put("to", format.label());
        json.put("out", out.toString());
        json.put("notes", notes);
        common.print(json, text(stored, format, notes));
      }
      return 0;
    }

    private String text(StoredSae stored, SaeFormat format, List<String> notes) {
      StringBuilder text = new StringBuilder();
      text.append(
          String.format(
              "%s: %s, %s, %s of width %d, written as %s to %s%n",
              in,
              stored.claims().format().label(),
              words(stored.sae().activation()),
              Counted.of(stored.sae().features(), "feature"),
              stored.sae().width(),
              format.label(),
              out));
      for (String note : notes) text.append("note: ").append(note).append('\n');
      return text.toString();
    }
  }

  /** What an SAE's files claim, against images. */
  @Command(
      name = "verify",
      description = {
        "Measures L0, explained variance and cosine on images, compares them with what the files",
        "claim, and where they do not fit tries the usual mistakes and names the one that explains"
            + " it. Where the files name the model's weights by their hash, that is compared, too.",
        "Exits 1 unless the figures agree and the model is the one named."
      },
      footer = {
        "",
        "Example: clipsteer sae verify prisma/layer-8 --model models/clip --images photos --json"
      })
  static final class Verify implements Callable<Integer> {
    @Mixin private CommonOptions common;
    @Mixin private ImageOptions images;

    @Parameters(paramLabel = "PATH", description = "An SAE's folder or file.")
    private Path path;

    @Option(
        names = "--model",
        required = true,
        paramLabel = "M",
        description = "The checkpoint that it was trained on: folder or file.")
    private Path model;

    @Option(
        names = "--hook",
        paramLabel = "NAME",
        description = "The hook point (default: what the files say).")
    private @Nullable String hook;

    @Option(
        names = "--tokens-selection",
        paramLabel = "T",
        description = "all, cls or patches (default: what the files say, else all).")
    private @Nullable String tokens;

    @Option(
        names = "--l0",
        paramLabel = "X",
        description = "L0 that is claimed elsewhere, as on a model card.")
    private @Nullable Double l0;

    @Option(
        names = "--explained-variance",
        paramLabel = "X",
        description = "Explained variance that is claimed elsewhere, from 0 to 1.")
    private @Nullable Double explainedVariance;

    @Option(
        names = "--cosine",
        paramLabel = "X",
        description = "Mean cosine that is claimed elsewhere.")
    private @Nullable Double cosine;

    @Override
    public Integer call() {
      common.apply();
      Map<String, Double> told = told();
      try (StoredSae read = SaeFiles.open(path)) {
        SaeClaims claims = read.claims().withQuality(told);
        StoredSae stored = new StoredSae(read.sae(), claims);
        HookPoint point = point(claims);
        TokenSelection selection = selection(claims);
        try (ClipModel clip = ClipModel.load(model, DType.F32, common.device())) {
          SaeProof proof = new SaeProof(clip, stored, point, selection, images.resolve(clip));
          SaeProof.Result result = proof.run(common.progress());
          images.printSkipped(result.skipped());
          Boolean same = sameModel(claims, clip);
          Map<String, Object> json = json(proof, result);
          json.put("same_model", same);
          String other =
              Boolean.FALSE.equals(same)
                  ? "\nANOTHER MODEL: the files name weights of sha256 " + claims.modelHash()
                  : "";
          common.print(json, text(proof, result) + other);
          if (!other.isEmpty()) return 1;
          return switch (result.verdict()) {
            case AGREES, NOTHING_CLAIMED -> 0;
            case EXPLAINED, SUSPECTED, UNEXPLAINED -> 1;
          };
        }
      }
    }

    /** Whether the model's weights are those that the files name; null where they name none. */
    private static @Nullable Boolean sameModel(SaeClaims claims, ClipModel clip) {
      String named = claims.modelHash();
      if (named == null || named.isEmpty()) return null;
      return named.equalsIgnoreCase(Hashes.sha256(clip.source().weights()));
    }

    private Map<String, Double> told() {
      Map<String, Double> told = new HashMap<>();
      put(told, "l0", "--l0", l0, Double.MAX_VALUE);
      put(told, "explained_variance", "--explained-variance", explainedVariance, 1);
      put(told, "cosine", "--cosine", cosine, 1);
      return told;
    }

    private static void put(
        Map<String, Double> told, String name, String option, @Nullable Double value, double most) {
      if (value == null) return;
      if (!(value >= 0 && value <= most)) {
        throw new InputException(
            option + " " + value,
            "not from 0 to " + (most == 1 ? "1" : "the number of features"),
            "Give the figure as a share, not in per cent");
      }
      told.put(name, value);
    }

    private HookPoint point(SaeClaims claims) {
      if (hook != null) return CommonOptions.value("--hook", hook, HookPoint::parse);
      if (claims.hookName() == null) {
        throw new InputException(
            path,
            "does not say where its activations come from",
            "Give it: --hook blocks.7.hook_resid_post");
      }
      try {
        return HookPoint.parse(claims.hookName());
      } catch (InputException e) {
        throw new InputException(
            path,
            "its files say where its activations come from: " + e.getMessage(),
            "Give the place in our words: --hook blocks.7.hook_resid_post",
            e);
      }
    }

    private TokenSelection selection(SaeClaims claims) {
      if (tokens != null) {
        return CommonOptions.value("--tokens-selection", tokens, TokenSelection::parse);
      }
      return claims.tokens() == null ? TokenSelection.ALL : TokenSelection.parse(claims.tokens());
    }

    private Map<String, Object> json(SaeProof proof, SaeProof.Result result) {
      Map<String, Object> json = describe(path, proof.stored());
      json.put("hook_point", proof.point().peerName());
      json.put("tokens_selection", proof.tokens().name().toLowerCase(Locale.ROOT));
      json.put("images", result.images());
      json.put("tokens", result.measured().tokens());
      json.put("claimed", result.claimed());
      json.put("measured", figures(result.measured()));
      json.put("gap", finite(result.gap()));
      json.put("verdict", result.verdict().name().toLowerCase(Locale.ROOT));
      SaeProof.Trial cause = result.cause();
      json.put("cause", cause == null ? null : cause.mistake().label());
      json.put("cause_detail", cause == null ? null : cause.detail());
      json.put("cause_says", cause == null ? null : cause.mistake().says());
      List<Map<String, Object>> tried = new ArrayList<>();
      for (SaeProof.Trial trial : result.tried()) {
        Map<String, Object> one = new LinkedHashMap<>();
        one.put("mistake", trial.mistake().label());
        one.put("detail", trial.detail());
        one.putAll(figures(trial.figures()));
        one.put("gap", finite(trial.gap()));
        one.put("better_on", trial.better());
        tried.add(one);
      }
      json.put("tried", tried);
      json.put("notes", proof.stored().claims().notes());
      images.addSkipped(json, result.skipped());
      return json;
    }

    private static Map<String, Object> figures(Reconstruction figures) {
      Map<String, Object> json = new LinkedHashMap<>();
      json.put("l0", figures.l0());
      json.put("explained_variance", finite(figures.explainedVariance()));
      json.put("cosine", finite(figures.cosine()));
      json.put("alive_fraction", figures.aliveFraction());
      return json;
    }

    /** JSON has no infinity. */
    private static @Nullable Double finite(double value) {
      return Double.isFinite(value) ? (Double) value : null;
    }

    private String text(SaeProof proof, SaeProof.Result result) {
      StringBuilder text = new StringBuilder();
      SaeClaims claims = proof.stored().claims();
      text.append(
          String.format(
              "%s: %s, %s, %s, at %s; %s, %s%n",
              path,
              claims.format().label(),
              words(proof.stored().sae().activation()),
              Counted.of(proof.stored().sae().features(), "feature"),
              proof.point(),
              Counted.of(result.images(), "image"),
              Counted.of(result.measured().tokens(), "token")));
      text.append(line("measured", "", result.measured()));
      if (!result.claimed().isEmpty()) {
        text.append("claimed ").append(result.claimed()).append('\n');
      }
      for (SaeProof.Trial trial : result.tried()) {
        text.append(line("without " + trial.mistake().label(), trial.detail(), trial.figures()));
      }
      for (String note : claims.notes()) text.append("note: ").append(note).append('\n');
      return text.append(conclusion(result)).toString();
    }

    private static String line(String what, String detail, Reconstruction figures) {
      return String.format(
          Locale.ROOT,
          "%-34s L0 %.1f, explained variance %.4f, cosine %.4f %s%n",
          what,
          figures.l0(),
          figures.explainedVariance(),
          figures.cosine(),
          detail);
    }

    private static String conclusion(SaeProof.Result result) {
      SaeProof.Trial cause = result.cause();
      String named =
          cause == null
              ? ""
              : cause.mistake().label()
                  + ": "
                  + cause.mistake().says()
                  + (cause.detail().isEmpty() ? "" : " (" + cause.detail() + ")");
      return switch (result.verdict()) {
        case AGREES -> "agrees with what is claimed";
        case NOTHING_CLAIMED -> "nothing is claimed, and no usual mistake would do much better";
        case EXPLAINED -> "DOES NOT AGREE, and one mistake explains it: " + named;
        case SUSPECTED -> "SUSPECTED, since without it less is left over: " + named;
        case UNEXPLAINED ->
            "DOES NOT AGREE, and none of the usual mistakes explains it:"
                + " other images, another model, or damaged weights";
      };
    }
  }
}
