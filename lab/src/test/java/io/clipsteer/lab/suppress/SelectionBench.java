// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.study.LabelledImages;
import io.clipsteer.lab.study.Study;
import io.clipsteer.lab.study.StudySource;
import io.clipsteer.lab.study.TargetPrompts;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The material on which rules of selection are compared: every candidate of the features at several
 * strengths, with its right answers to validation and test images; and the same on validation
 * images after the SAEs' weights were multiplied by 1 ± 1e-6. {@code bench/selection.sh} runs it on
 * demos, {@code bench/selection.py} compares the rules.
 *
 * <p>Arguments: MODEL RUN LAYERS DATA TRAIN VALIDATION CLEAN|- SELECT EDIT MAX_LOSS AT|- SEED
 * PERTURBED OUT.
 */
public final class SelectionBench {
  private static final double PERTURBATION = 1e-6;

  /** Most test images of a set, to save time. */
  private static final int TESTED = 1000;

  private SelectionBench() {}

  private record Tried(String family, int layer, int size, double strength, String right) {}

  private record Part(List<Integer> groups, String before, List<Tried> tried) {}

  /** Runs it. */
  public static void main(String[] args) {
    Path model = Path.of(args[0]);
    int[] layers = Stream.of(args[2].split("-")).mapToInt(Integer::parseInt).toArray();
    var settings =
        new SuppressionSettings(
            SuppressionSettings.Select.valueOf(args[7].toUpperCase(Locale.ROOT)),
            SuppressionSettings.Change.parse(args[8]),
            args[10].equals("-") ? null : TokenSelection.valueOf(args[10]),
            args[7].equals("gates") ? List.of(1, 2, 4, 8, 16, 32, 64) : List.of(16, 32, 64),
            Double.parseDouble(args[9]),
            6,
            Long.parseLong(args[11]),
            SuppressionSettings.Goal.WORST_GROUP,
            false);
    var source =
        new StudySource(
            GroupSource.parse("--data", args[3]),
            GroupSource.parse("--train", args[4]),
            GroupSource.parse("--validation", args[5]),
            args[6].equals("-") ? null : ImageSet.open(Path.of(args[6])),
            null,
            1000,
            false,
            settings.seed());
    Progress progress = Progress.SILENT;
    Map<String, Part> parts = new LinkedHashMap<>();
    RunFolder folder = new RunFolder(Path.of(args[1]));
    RunFolder.Run all = folder.read();
    var entries =
        all.saes().stream()
            .filter(e -> e.point().layer() >= layers[0] && e.point().layer() <= layers[1])
            .toList();
    RunFolder.Run run = new RunFolder.Run(all.model(), entries);
    try (ClipModel clip = ClipModel.load(model, DType.F32, Device.CPU);
        RunSaes saes = RunSaes.open(folder, run, clip)) {
      var prompts = TargetPrompts.BUILT_IN;
      ImageLoader.Options options = ImageLoader.Options.of(128);
      Study study = source.read(clip, prompts, options, progress);
      Study few = source.read(clip, prompts, options.withLimit(TESTED), progress);
      for (int p = 0; p <= Integer.parseInt(args[12]); p++) {
        RunSaes own = p == 0 ? saes : perturbed(saes, p);
        try (CandidateSearch search =
            new CandidateSearch(clip, own, settings, study.groups(), true)) {
          search.scan(study.train(), progress);
          List<Candidate> candidates = grid(search.candidates(progress), strengths(settings));
          parts.put(
              "validation-" + p, tried(clip, study.validation(), candidates, strengths(settings)));
          if (p == 0) parts.put("test", tried(clip, few.test(), candidates, strengths(settings)));
        }
        if (p > 0) own.close();
      }
    }
    AtomicFiles.writeJson(Path.of(args[13]), parts);
    System.exit(0);
  }

  /** All strengths of the product for few candidates, three of them for the many of gates. */
  private static double[] strengths(SuppressionSettings settings) {
    return settings.select() == SuppressionSettings.Select.GATES
        ? new double[] {1, 1.5, 2}
        : new double[] {0.5, 1, 1.25, 1.5, 1.75, 2, 3};
  }

  private static List<Candidate> grid(List<Candidate> candidates, double[] strengths) {
    List<Candidate> grid = new ArrayList<>();
    for (Candidate one : candidates) {
      if (one.family() != Candidate.Family.FEATURES) continue;
      for (double strength : strengths) grid.add(strength == 1 ? one : one.times(strength));
    }
    return grid;
  }

  private static Part tried(
      ClipModel clip, List<LabelledImages> images, List<Candidate> grid, double[] strengths) {
    var result = EditTrial.run(clip, images, grid, null, "", Progress.SILENT);
    int n = result.groups().size();
    List<Tried> tried =
        IntStream.range(0, grid.size())
            .mapToObj(
                c -> {
                  Candidate one = grid.get(c);
                  return new Tried(
                      one.family().name(),
                      one.site().point().layer(),
                      one.size(),
                      strengths[c % strengths.length],
                      bits(result.after().get(c), n));
                })
            .toList();
    return new Part(result.groups(), bits(result.before(), n), tried);
  }

  private static String bits(BitSet set, int n) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < n; i++) text.append(set.get(i) ? '1' : '0');
    return text.toString();
  }

  /** With every weight of encoder and decoder multiplied by its own 1 + 1e-6·normal. */
  private static RunSaes perturbed(RunSaes saes, long seed) {
    List<RunSaes.One> all = new ArrayList<>();
    for (RunSaes.One one : saes.all()) {
      Sae sae = one.sae();
      try (Scope scope = Scope.open()) {
        var random = new SplittableRandom(seed);
        Tensor encoder = scope.release(perturbed(sae.encoder(), random));
        Tensor decoder = scope.release(perturbed(sae.decoder(), random));
        all.add(
            new RunSaes.One(
                one.entry(),
                new Sae(
                    sae.activation(),
                    sae.normalisation(),
                    encoder,
                    scope.release(sae.encoderBias().copy()),
                    decoder,
                    scope.release(sae.decoderBias().copy()),
                    sae.subtractsDecoderBias())));
      }
    }
    return new RunSaes(all);
  }

  private static Tensor perturbed(Tensor weights, SplittableRandom random) {
    Tensor noise = Tensor.normal(random, PERTURBATION, weights.size(0), weights.size(1));
    return weights.add(weights.mul(noise)).copy();
  }
}
