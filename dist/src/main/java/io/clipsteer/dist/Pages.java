// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.dist;

import io.clipsteer.cli.Main;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.asciidoctor.Asciidoctor;
import org.asciidoctor.Attributes;
import org.asciidoctor.Options;
import org.asciidoctor.SafeMode;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.codegen.docgen.manpage.ManPageGenerator;

/**
 * Writes what follows from the commands' own description: completions and the sources of man pages.
 */
final class Pages {
  private static final String ZSH =
      """
      #compdef clipsteer
      # The completions of bash, through zsh's own bridge to them.
      autoload -U +X bashcompinit && bashcompinit
      (( $+functions[compopt] )) || compopt() { : }
      source "${${(%):-%x}:A:h}/../../bash-completion/completions/clipsteer"
      _bash_complete -o default -F _complete_clipsteer
      """;

  private Pages() {}

  /** Arguments: the folder to write into, the program's version. */
  public static void main(String[] args) throws IOException {
    Path target = Path.of(args[0]);
    CommandLine line = Main.commandLine(new PrintWriter(System.out, true));
    Path share = target.resolve("completions");
    write(
        share.resolve("bash-completion/completions/clipsteer"),
        withoutDate(AutoComplete.bash("clipsteer", line)));
    write(share.resolve("zsh/site-functions/_clipsteer"), ZSH);
    write(share.resolve("fish/vendor_completions.d/clipsteer.fish"), new Fish().of(line));
    Path man = Files.createDirectories(target.resolve("man-source"));
    int code =
        ManPageGenerator.generateManPage(
            man.toFile(), null, new boolean[0], true, line.getCommandSpec());
    if (code != 0) throw new IOException("no man pages: " + code);
    manPages(man, target.resolve("man"), args[1]);
  }

  /** From picocli's AsciiDoc; the same bytes on every day. */
  private static void manPages(Path from, Path to, String version) throws IOException {
    Attributes attributes =
        Attributes.builder()
            .attribute("reproducible", "")
            .attribute("docdate", "")
            .attribute("manmanual", "clipsteer")
            .attribute("mansource", "clipsteer " + version)
            .build();
    Options options =
        Options.builder()
            .backend("manpage")
            .docType("manpage")
            .safe(SafeMode.UNSAFE) // Writes files; the text is the program's own.
            .attributes(attributes)
            .toDir(Files.createDirectories(to).toFile())
            .build();
    try (Asciidoctor converter = Asciidoctor.Factory.create()) {
      for (Path page : Archive.below(from)) converter.convertFile(page.toFile(), options);
    }
  }

  /** The same bytes on every day. */
  private static String withoutDate(String script) {
    List<String> kept = script.lines().filter(row -> !row.startsWith("# Generated")).toList();
    return String.join("\n", kept) + "\n";
  }

  private static void write(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
  }
}
