// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** The words that an image is compared with. */
public final class LibraryOptions {
  /** One of four ways to name them. */
  public static final class Words {
    @Option(
        names = "--library",
        paramLabel = "DIR",
        description = "Folder with text_embeddings.safetensors and words.txt.")
    private @Nullable Path library;

    @Option(
        names = "--labels",
        paramLabel = "A,B,C",
        description = "Class names, separated by commas.")
    private @Nullable String labels;

    @Option(names = "--labels-file", paramLabel = "FILE", description = "Class names, one a line.")
    private @Nullable Path labelsFile;

    @Option(
        names = "--vocabulary",
        paramLabel = "FILE",
        description = "Words, one a line, read bare by the model's text tower.")
    private @Nullable Path vocabulary;

    /** Whether there are finished embeddings only. */
    public boolean holdsEmbeddings() {
      return library != null;
    }

    /** Whether the words are read without a template. */
    public boolean areBare() {
      return vocabulary != null;
    }
  }

  @ArgGroup(exclusive = true, multiplicity = "1")
  private Words words;

  @Option(
      names = "--templates",
      paramLabel = "FILE",
      description = "Prompt templates, one a line with {} (default: \"a photo of a {}.\").")
  private @Nullable Path templates;

  public TextLibrary resolve(ClipModel model, Progress progress) {
    return resolve(words, templates, model, progress);
  }

  /** Prompt templates from a file, or the default. */
  public static List<String> prompts(@Nullable Path templates) {
    if (templates == null) return ZeroShot.DEFAULT_TEMPLATES;
    List<String> prompts = ZeroShot.readTemplates(templates);
    WordList.report(templates, prompts, "template", "each counts in the mean");
    return prompts;
  }

  /** Names separated by commas, none of them blank, none twice. */
  public static List<String> names(String option, String text) {
    if (text.indexOf('"') >= 0) {
      throw new InputException(
          option + " " + text,
          "quotes do not keep a name together",
          "Write names with commas into a file, one a line");
    }
    List<String> names = Arrays.stream(text.split(",", -1)).map(String::strip).toList();
    Set<String> known = new HashSet<>();
    for (String name : names) {
      if (name.isEmpty()) {
        throw new InputException(
            option + " " + text, "one of the names is blank", "Write " + option + " dog,cat");
      }
      if (!known.add(name)) {
        throw new InputException(
            option + " " + text, "\"" + name + "\" is there twice", "Name each once");
      }
    }
    return names;
  }

  /** The words' embeddings, read or computed. */
  public static TextLibrary resolve(
      Words words, @Nullable Path templates, ClipModel model, Progress progress) {
    if (words.library != null && templates != null) {
      throw new InputException(
          "--templates", "has no use with --library", "A library holds finished embeddings");
    }
    if (words.vocabulary != null && templates != null) {
      throw new InputException(
          "--templates", "has no use with --vocabulary", "Its words are read bare: --labels-file");
    }
    if (words.library != null) return TextLibrary.read(words.library);
    if (words.vocabulary != null) {
      return ZeroShot.library(model, WordList.once(words.vocabulary), List.of("{}"), progress);
    }
    List<String> classes =
        words.labelsFile != null
            ? WordList.all(words.labelsFile)
            : names("--labels", String.valueOf(words.labels));
    return ZeroShot.library(model, classes, prompts(templates), progress);
  }
}
