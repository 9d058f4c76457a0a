// SPDX-License-Identifier: Apache-2.0

import com.google.googlejavaformat.java.Formatter;
import com.google.googlejavaformat.java.JavaFormatterOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Lays out every Java source below a folder with google-java-format: {@code check} lists the files
 * that differ and exits 1, {@code apply} rewrites them.
 */
final class Format {
  public static void main(String[] args) throws Exception {
    boolean apply = args[0].equals("apply");
    var options =
        JavaFormatterOptions.builder().style(JavaFormatterOptions.Style.GOOGLE).build();
    var formatter = new Formatter(options);
    List<Path> differing = new ArrayList<>();
    for (Path file : sources(Path.of(args[1]))) {
      String text = Files.readString(file);
      String formatted = formatter.formatSourceAndFixImports(text);
      if (formatted.equals(text)) continue;
      if (apply) Files.writeString(file, formatted);
      differing.add(file);
    }
    if (apply) {
      System.out.println("formatted " + differing.size() + " files");
    } else if (!differing.isEmpty()) {
      System.err.println("Not in google-java-format: " + differing);
      System.err.println("Run: mvn -N validate -Dformat.mode=apply");
      System.exit(1);
    }
  }

  private static List<Path> sources(Path root) throws IOException {
    List<Path> all = new ArrayList<>();
    try (var modules = Files.list(root)) {
      for (Path module : modules.sorted().toList()) {
        Path src = module.resolve("src");
        if (!Files.isDirectory(src)) continue;
        try (var files = Files.walk(src)) {
          files.filter(f -> f.toString().endsWith(".java")).sorted().forEach(all::add);
        }
      }
    }
    return all;
  }
}
