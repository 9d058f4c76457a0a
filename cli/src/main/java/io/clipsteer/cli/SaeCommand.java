// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.sae.format.SaeClaims;
import io.clipsteer.engine.sae.format.SaeExport;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.engine.sae.format.SaeFormat;
import io.clipsteer.engine.sae.format.StoredSae;
import io.clipsteer.lab.evaluate.SaeMistake;
import io.clipsteer.lab.run.Counted;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code sae convert}, {@code sae import} and {@code sae verify}. */
@Command(
    name = "sae",
    description =
        "Convert SAEs between tools' formats, make runs of them, and verify what their files"
            + " claim.",
    subcommands = {SaeCommand.Convert.class, SaeImportCommand.class, SaeVerifyCommand.class})
final class SaeCommand {
  @Mixin private HelpOption help;

  /** What {@code --json} prints of an SAE; the keys are a contract. */
  record About(
      String path,
      SaeFormat format,
      String activation,
      int dIn,
      int dSae,
      String normalisation,
      boolean subtractsBDec,
      @Nullable String hookPoint,
      @Nullable String model) {
    static About of(Path path, StoredSae stored) {
      Sae sae = stored.sae();
      SaeClaims claims = stored.claims();
      return new About(
          path.toString(),
          claims.format(),
          SaeCommand.activation(sae),
          sae.width(),
          sae.features(),
          sae.normalisation().peerName(),
          sae.subtractsDecoderBias(),
          claims.hookName(),
          claims.modelName());
    }
  }

  static String activation(Sae sae) {
    return switch (sae.activation()) {
      case SaeActivation.TopK top -> "topk:k=" + top.k();
      case SaeActivation.Relu relu -> "relu";
      case SaeActivation.JumpRelu jump -> "jumprelu";
    };
  }

  /** Another tool's format. */
  @Command(
      name = "convert",
      description = {
        "Convert an SAE from one tool's format to another; its reconstructions stay the same.",
        "Reads saelens, prisma, saev, dictionary_learning (sae-for-vlm), sparsify, openai and"
            + " patchsae."
      },
      footer = "Example: clipsteer sae convert prisma/layer-8 --to saelens --out saes/l8")
  static final class Convert implements Runnable {
    @Mixin private CommonOptions common;

    @Parameters(
        paramLabel = "SAE",
        description = "An SAE's folder or file, or a training run with one SAE.")
    private Path in;

    @Option(
        names = "--to",
        required = true,
        paramLabel = "FORMAT",
        description = "Format to write: saelens, prisma, saev, dictionary_learning or sparsify.")
    private SaeFormat to;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "New folder.")
    private Path out;

    @Option(
        names = "--hook",
        paramLabel = "NAME",
        description = "Hook point, if the files do not name it, as blocks.7.hook_resid_post.")
    private @Nullable HookPoint hook;

    @Option(
        names = "--fix",
        paramLabel = "CAUSE",
        description = "Fix the cause that sae verify named, such as b_dec_not_subtracted.")
    private @Nullable SaeMistake fix;

    /** What {@code --json} prints. */
    private record Json(@JsonUnwrapped About sae, SaeFormat to, String out, List<String> notes) {}

    @Override
    public void run() {
      common.applyOnCpu();
      if (!to.isWritten()) {
        throw new InputException("--to " + to, "is read, and not written", "Use saelens");
      }
      Path path = RunOptions.sae(in);
      try (StoredSae read = SaeFiles.open(path)) {
        SaeClaims claims = hook == null ? read.claims() : read.claims().withHook(hook.peerName());
        Sae sae = fix == null ? read.sae() : fix.fix(read.sae(), claims);
        if (sae == null) {
          throw new InputException(path, "cannot have the mistake " + fix, "Run sae verify");
        }
        StoredSae stored = new StoredSae(sae, claims);
        List<String> notes = new ArrayList<>(claims.notes());
        RunManifest manifest = common.manifest(Hashes.files(path));
        notes.addAll(SaeExport.write(out, to, stored));
        manifest.finish(Map.of()).writeTo(out);
        Lines text = new Lines();
        text.add(
            "%s: %s, %s, %s of width %d, written as %s to %s%n",
            path,
            claims.format(),
            activation(sae),
            Counted.of(sae.features(), "feature"),
            sae.width(),
            to,
            out);
        for (String note : notes) text.add("note: %s%n", note);
        common.print(new Json(About.of(path, stored), to, out.toString(), notes), text.toString());
      }
    }
  }
}
