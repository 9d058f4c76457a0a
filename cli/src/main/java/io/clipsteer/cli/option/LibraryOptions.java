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
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The words that images are compared with. */
public final class LibraryOptions {
  /** Asks for words. */
  static final String WHICH =
      "Which words? Give --classes a,b, --classes-file FILE, --vocabulary FILE or --library DIR";

  /** One of four sources of words. */
  private static final class Words {
    @Option(
        names = "--classes",
        paramLabel = "A,B,C",
        description = "Class names, separated by commas.")
    private @Nullable String labels;

    @Option(names = "--classes-file", paramLabel = "FILE", description = "Class names, one a line.")
    private @Nullable Path labelsFile;

    @Option(
        names = "--vocabulary",
        paramLabel = "FILE",
        description = "Words, one a line; the text tower reads each without a template.")
    private @Nullable Path vocabulary;

    @Option(
        names = "--library",
        paramLabel = "DIR",
        description = "Text embeddings: a folder with text_embeddings.safetensors and words.txt.")
    private @Nullable Path library;
  }

  @ArgGroup(exclusive = true, multiplicity = "0..1")
  private @Nullable Words words;

  @Option(
      names = "--templates",
      paramLabel = "FILE",
      description = "Prompt templates, one a line with {} (default: \"a photo of a {}.\").")
  private @Nullable Path templates;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  /** Whether words are given. */
  public boolean areGiven() {
    return words != null;
  }

  /** Whether the words are finished embeddings. */
  public boolean areEmbeddings() {
    return words != null && words.library != null;
  }

  /** Asks for words where none are given: before a model is loaded for nothing. */
  public void require() {
    if (words != null) return;
    throw new ParameterException(command.commandLine(), WHICH);
  }

  /** The words' embeddings, read or computed. */
  public TextLibrary resolve(ClipModel model, Progress progress) {
    require();
    if (words == null) throw new AssertionError("required");
    if (templates != null && words.library != null) {
      throw new InputException(
          "--templates", "has no use with --library", "A library holds finished embeddings");
    }
    if (templates != null && words.vocabulary != null) {
      throw new InputException(
          "--templates",
          "has no use with --vocabulary",
          "Give the words with --classes-file, which are put into templates");
    }
    if (words.library != null) return TextLibrary.read(words.library);
    if (words.vocabulary != null) {
      return ZeroShot.library(model, WordList.once(words.vocabulary), prompts(), progress);
    }
    List<String> classes =
        words.labelsFile != null
            ? WordList.all(words.labelsFile)
            : names("--classes", String.valueOf(words.labels));
    return ZeroShot.library(model, classes, prompts(), progress);
  }

  /** Prompt templates: {@code {}} for a vocabulary, those of the file, or the default. */
  public List<String> prompts() {
    if (words != null && words.vocabulary != null) return List.of("{}");
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
      // The text tower reads every word in small letters.
      if (!known.add(name.toLowerCase(Locale.ROOT))) {
        throw new InputException(
            option + " " + text, "\"" + name + "\" is there twice", "Name each once");
      }
    }
    return names;
  }
}
