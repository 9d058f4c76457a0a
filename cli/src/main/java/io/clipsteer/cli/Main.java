// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.bench.BenchCommand;
import io.clipsteer.data.InputException;
import io.clipsteer.data.TextFile;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.run.Versions;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** The program: {@code ./clipsteer COMMAND}. Exit codes: 0 fine, 1 failed, 2 wrong usage. */
@Command(
    name = "clipsteer",
    description = "Sparse autoencoders on CLIP: train, measure how features steer, edit.",
    versionProvider = Main.Version.class,
    mixinStandardHelpOptions = true,
    subcommands = {
      DemoCommand.class,
      ModelCommand.class,
      ClassifyCommand.class,
      HarvestCommand.class,
      StoreCommand.class,
      TrainCommand.class,
      EvaluateCommand.class,
      IndexCommand.class,
      FeaturesCommand.class,
      SearchCommand.class,
      CompareCommand.class,
      ReportCommand.class,
      SteerCommand.class,
      SteerabilityCommand.class,
      SuppressCommand.class,
      AttackCommand.class,
      DefendCommand.class,
      ExportCommand.class,
      StudyCommand.class,
      SaeCommand.class,
      WorldCommand.class,
      BenchCommand.class,
      DoctorCommand.class,
      HelpCommand.class
    })
public final class Main implements Runnable {
  private static final int LAST_WORK_SECONDS = 30;

  /** For {@code --version}. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"clipsteer " + Versions.CLIPSTEER};
    }
  }

  @Spec private CommandSpec spec;

  private Main() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Name a command.");
  }

  /** Runs the command line and exits with its code. */
  public static void main(String[] args) {
    speakUtf8();
    AtomicBoolean finished = new AtomicBoolean();
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  if (finished.get()) return;
                  endOfWork();
                  System.err.println(
                      "clipsteer: stopped. What is on disk is whole; go on with the same command"
                          + " and --resume, where it has that option");
                }));
    int code = execute(args);
    finished.set(true);
    System.exit(code);
  }

  /**
   * Results, messages and numbers are the same in every locale. What the locale says of names of
   * files and of arguments is settled before the JVM starts, by the launcher.
   */
  private static void speakUtf8() {
    Locale.setDefault(Locale.ROOT);
    System.setOut(utf8(FileDescriptor.out));
    System.setErr(utf8(FileDescriptor.err));
    String names = System.getProperty("sun.jnu.encoding", "");
    if (!Charset.isSupported(names) || !Charset.forName(names).newEncoder().canEncode('\u00E9')) {
      System.err.println(
          "clipsteer: file names and arguments are read as "
              + names
              + ", so that those beyond ASCII are lost: set LC_ALL=C.UTF-8");
    }
  }

  private static PrintStream utf8(FileDescriptor file) {
    return new PrintStream(new FileOutputStream(file), true, StandardCharsets.UTF_8);
  }

  /** Lets an update that is under way come to its end; nothing new begins after it. */
  private static void endOfWork() {
    try {
      boolean ended = Engine.WORK.tryLock(LAST_WORK_SECONDS, TimeUnit.SECONDS);
      if (!ended) System.err.println("clipsteer: the last update was cut off");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Runs the command line; errors are one line on stderr. */
  static int execute(String... args) {
    return execute(new PrintWriter(System.out, true), args);
  }

  /**
   * The same with another place for results.
   *
   * @param out errors and progress go to stderr all the same
   */
  static int execute(PrintWriter out, String... args) {
    String fault = fault(args);
    if (!fault.isEmpty()) {
      System.err.println("clipsteer: " + fault);
      return CommandLine.ExitCode.USAGE;
    }
    try {
      return new CommandLine(new Main())
          .setOut(out)
          .registerConverter(Path.class, Main::path)
          .setCaseInsensitiveEnumValuesAllowed(true)
          .setUsageHelpAutoWidth(true)
          // Beside a file of arguments an option may stand again: the later one counts.
          .setOverwrittenOptionsAllowed(Arrays.stream(args).anyMatch(arg -> arg.startsWith("@")))
          .setParameterExceptionHandler(Main::wrongUsage)
          .setExecutionExceptionHandler((e, command, parsed) -> explain(e, command))
          .execute(args);
    } catch (OutOfMemoryError e) {
      System.err.println(
          "clipsteer: this does not fit into memory. Use a smaller size, count or batch, or give"
              + " Java more: CLIPSTEER_JVM_OPTIONS=-Xmx8g");
      return CommandLine.ExitCode.SOFTWARE;
    }
  }

  /**
   * What the parser would not name: bytes that are no text, files of arguments that it cannot read.
   */
  private static String fault(String[] args) {
    for (String arg : args) {
      if (arg.indexOf('\uFFFD') >= 0) return "'" + arg + "' is not UTF-8. Arguments are UTF-8 text";
      if (!arg.startsWith("@") || arg.startsWith("@@")) continue;
      try {
        Path file = path(arg.substring(1));
        if (TextFile.hasMark(file)) {
          // The parser would take the mark for the first character of the first argument.
          return arg + ": begins with a byte order mark. Save it as UTF-8 without one";
        }
        TextFile.lines(file);
      } catch (InputException | TypeConversionException e) {
        return e.getMessage() + ". It was to hold arguments; one that begins with @ is written @@";
      }
    }
    return "";
  }

  /** An empty path would be the current folder, which nobody means. */
  private static Path path(String text) {
    try {
      if (!text.isEmpty()) return Path.of(text);
    } catch (InvalidPathException e) {
      throw new TypeConversionException("'" + text + "' is no path: " + e.getReason());
    }
    throw new TypeConversionException("it is empty, and no path");
  }

  /** One line instead of a page of usage, in which the reason scrolls away. */
  private static int wrongUsage(ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    String reason = String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
    reason = together(reason.startsWith("Error: ") ? reason.substring(7) : reason);
    reason = reason.replaceFirst(" is not an? (int|long)$", " is no whole number in range");
    reason = reason.replaceFirst(" is not a (double|float)$", " is no number");
    command.getErr().println("clipsteer: " + reason);
    command.getErr().println("See " + command.getCommandSpec().qualifiedName() + " --help");
    return CommandLine.ExitCode.USAGE;
  }

  /** Options that exclude each other: named, instead of the groups that they belong to. */
  private static String together(String reason) {
    if (reason.contains("mutually exclusive")) return exclude(options(reason), reason);
    if (!reason.contains("only one match")) return reason;
    List<String> given =
        Pattern.compile("=\\{([^}]*)}")
            .matcher(reason)
            .results()
            .flatMap(group -> options(group.group(1)).stream())
            .toList();
    // One of these: (--a=A | --b=B).
    return Pattern.compile("[(\\[]([^()\\[\\]|]+\\|[^()\\[\\]]+)[)\\]]")
        .matcher(reason)
        .results()
        .map(group -> options(group.group(1)).stream().filter(given::contains).toList())
        .filter(both -> both.size() > 1)
        .findFirst()
        .map(both -> exclude(both, reason))
        .orElse(reason);
  }

  private static List<String> options(String text) {
    return Pattern.compile("--[a-z][a-z-]*")
        .matcher(text)
        .results()
        .map(MatchResult::group)
        .distinct()
        .toList();
  }

  private static String exclude(List<String> options, String reason) {
    if (options.size() < 2) return reason;
    return String.join(" and ", options) + " exclude each other: give one of them.";
  }

  private static int explain(Throwable e, CommandLine command) {
    if (e instanceof InputException input && input.isOfOption()) {
      return wrongUsage(
          new ParameterException(command, String.valueOf(e.getMessage())), new String[0]);
    }
    if (e instanceof InputException) {
      command.getErr().println("clipsteer: " + e.getMessage());
    } else {
      command.getErr().println("clipsteer: internal error: " + e);
      command.getErr().println("This is a defect of clipsteer; please report it with this trace:");
      e.printStackTrace(command.getErr());
    }
    return CommandLine.ExitCode.SOFTWARE;
  }
}
