// SPDX-License-Identifier: Apache-2.0

import java.io.PrintStream;
import java.io.PrintWriter;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashSet;
import picocli.CommandLine;

/**
 * Prints the help page of every command as Markdown, from picocli's model of the program. Run by the build of the site:
 *
 * <pre>java -cp 'cli/target/dist/lib/*' docs/site/Commands.java</pre>
 */
final class Commands {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  public static void main(String[] args) throws Exception {
    Method tree =
        Class.forName("io.clipsteer.cli.Main")
            .getDeclaredMethod("commandLine", PrintWriter.class, String[].class);
    tree.setAccessible(true);
    var program = (CommandLine) tree.invoke(null, new PrintWriter(OUT), new String[] {"--help"});
    OUT.println("# Commands\n\nAs `clipsteer COMMAND --help` prints them.");
    print(program);
  }

  private static void print(CommandLine command) {
    OUT.println("\n## " + command.getCommandSpec().qualifiedName());
    OUT.println("\n```text");
    OUT.print(command.getUsageMessage(CommandLine.Help.Ansi.OFF).stripTrailing());
    OUT.println("\n```");
    for (CommandLine one : new LinkedHashSet<>(command.getSubcommands().values())) {
      if (!one.getCommandSpec().usageMessage().hidden()) print(one);
    }
  }
}
