// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.bench.BenchCommand;
import io.clipsteer.cli.label.LabelsCommand;
import io.clipsteer.data.InputException;
import io.clipsteer.data.InputPaths;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.lab.run.Versions;
import io.clipsteer.lab.steer.Strength;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/** The program: {@code ./clipsteer COMMAND}. Exit codes: 0 fine, 1 failed, 2 wrong usage. */
@Command(
    name = "clipsteer",
    description = "Sparse autoencoders on CLIP: train, measure how features steer, edit.",
    versionProvider = Main.Version.class,
    mixinStandardHelpOptions = true)
public final class Main {
  private static final List<Class<?>> COMMANDS =
      List.of(
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
          ExperimentCommand.class,
          ExploreCommand.class,
          SteerabilityCommand.class,
          SuppressCommand.class,
          AttackCommand.class,
          DefendCommand.class,
          EditCommand.class,
          ExportCommand.class,
          LabelsCommand.class,
          StudyCommand.class,
          ProbeCommand.class,
          ReproduceCommand.class,
          SaeCommand.class,
          WorldCommand.class,
          BenchCommand.class,
          ClusterCommand.class,
          DoctorCommand.class,
          HelpCommand.class);

  private static final int LAST_WORK_SECONDS = 30;

  /** For {@code --version}. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"clipsteer " + Versions.CLIPSTEER};
    }
  }

  private Main() {}

  /** What is still done when the program is stopped. */
  private static final List<Runnable> AT_STOP = new CopyOnWriteArrayList<>();

  /** Has something done when the program is stopped by a signal; it must not wait. */
  static void atStop(Runnable last) {
    AT_STOP.add(last);
  }

  /** Runs the command line and exits with its code. */
  public static void main(String[] args) {
    restoreStderr();
    speakUtf8();
    AtomicBoolean finished = new AtomicBoolean();
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  if (finished.get()) return;
                  endOfWork();
                  AT_STOP.forEach(Runnable::run);
                  System.err.println(
                      "clipsteer: stopped. All files on disk are complete; resume with the same"
                          + " command and --resume, where it has that option");
                  leaveWithoutDestructors();
                }));
    int code = execute(args);
    finished.set(true);
    System.exit(code);
  }

  /**
   * Makes file descriptor 2 the user's stderr again. Until here the launcher filters from it the
   * JVM's warning of its incubator module, which no option turns off.
   */
  private static void restoreStderr() {
    Integer kept = Integer.getInteger("clipsteer.stderr");
    if (kept == null) return;
    Linker linker = Linker.nativeLinker();
    ValueLayout.OfInt number = ValueLayout.JAVA_INT;
    MethodHandle dup2 =
        linker.downcallHandle(
            linker.defaultLookup().findOrThrow("dup2"),
            FunctionDescriptor.of(number, number, number));
    try {
      int copy = (int) dup2.invokeExact(kept.intValue(), 2);
      if (copy != 2) System.err.println("clipsteer: stderr is still filtered");
    } catch (Throwable e) {
      throw new LinkageError("dup2", e);
    }
  }

  /**
   * Makes the process end without the destructors of native libraries, with the code that the JVM
   * exits with. They would free what another thread's tensor operation still uses.
   */
  private static void leaveWithoutDestructors() {
    Linker linker = Linker.nativeLinker();
    SymbolLookup library = linker.defaultLookup();
    library
        .find("on_exit") // Handlers get the exit code; the one registered last runs first.
        .ifPresent(
            address -> {
              MethodHandle onExit =
                  linker.downcallHandle(
                      address,
                      FunctionDescriptor.of(
                          ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS));
              try {
                int refused =
                    (int) onExit.invokeExact(library.findOrThrow("_exit"), MemorySegment.NULL);
                if (refused != 0) System.err.println("clipsteer: the exit code may be wrong");
              } catch (Throwable e) {
                throw new LinkageError("on_exit", e);
              }
            });
  }

  /**
   * Results, messages and numbers are the same in every locale. The encoding of file names and
   * arguments is settled before the JVM starts, by the launcher.
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

  /** Waits until a running update has ended; no update starts after it. */
  private static void endOfWork() {
    try {
      boolean ended = Engine.WORK.tryLock(LAST_WORK_SECONDS, TimeUnit.SECONDS);
      if (!ended) System.err.println("clipsteer: the last update was interrupted");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Runs the command line; errors are one line on stderr. */
  static int execute(String... args) {
    return execute(new PrintWriter(System.out, true), args);
  }

  /**
   * Runs the command line and prints the result to {@code out}; errors and progress go to stderr.
   */
  static int execute(PrintWriter out, String... args) {
    String fault = fault(args);
    if (!fault.isEmpty()) {
      System.err.println("clipsteer: " + fault);
      return CommandLine.ExitCode.USAGE;
    }
    try {
      return commandLine(out, args).execute(args);
    } catch (OutOfMemoryError e) {
      System.err.println(
          "clipsteer: this does not fit into memory. Use a smaller size, count or batch, or give"
              + " Java more: CLIPSTEER_JVM_OPTIONS=-Xmx8g");
      return CommandLine.ExitCode.SOFTWARE;
    }
  }

  /** The parser of a command line; of no words, that of all commands. */
  public static CommandLine commandLine(PrintWriter out, String... args) {
    return withCommands(args)
        .setOut(out)
        .registerConverter(Path.class, Main::path)
        .registerConverter(DType.class, Main::dtype)
        .registerConverter(HookPoint.class, reads(HookPoint::parse))
        .registerConverter(Strength.class, reads(Strength::parse))
        // All enums: the words that toString prints, listed in --help and in the message.
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setUsageHelpAutoWidth(true)
        .setHelpFactory(HelpPage::new)
        .setExecutionStrategy(Main::run)
        // Beside a file of arguments an option may stand again: the later one counts.
        .setOverwrittenOptionsAllowed(Arrays.stream(args).anyMatch(arg -> arg.startsWith("@")))
        .setParameterExceptionHandler(Main::wrongUsage)
        .setExecutionExceptionHandler((e, command, parsed) -> explain(e, command));
  }

  /**
   * The command that the first argument names, or all of them. Reading the options of all takes
   * half a second.
   */
  private static CommandLine withCommands(String[] args) {
    CommandLine line = new CommandLine(new Main());
    if (args.length == 1 && List.of("--version", "-V").contains(args[0])) return line;
    String first = args.length == 0 ? "" : args[0];
    List<Class<?>> named =
        COMMANDS.stream()
            .filter(one -> one.getAnnotation(Command.class).name().equals(first))
            .filter(one -> one != HelpCommand.class)
            .toList();
    for (Class<?> command : named.isEmpty() ? COMMANDS : named) line.addSubcommand(command);
    // Behind the planned command all words are its own.
    CommandLine cluster = line.getSubcommands().get("cluster");
    CommandLine plan = cluster == null ? null : cluster.getSubcommands().get("plan");
    if (plan != null) plan.setStopAtPositional(true);
    return line;
  }

  /** Faults that the parser would not name: bytes that are no text, unreadable argument files. */
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
        return e.getMessage()
            + ". It should hold arguments; an argument that begins with @ is written @@";
      }
    }
    return "";
  }

  /** Refuses an empty path, which would be the current folder, and addresses of other machines. */
  private static Path path(String text) {
    if (text.isEmpty()) throw new TypeConversionException("it is empty, and no path");
    if (InputPaths.isAddress(text)) {
      throw new TypeConversionException(
          "'" + text + "' is an address, which --images and --data alone take; name a path");
    }
    try {
      return Path.of(text);
    } catch (InvalidPathException e) {
      throw new TypeConversionException("'" + text + "' is no path: " + e.getReason());
    }
  }

  /** Reads a value; what is wrong with it stands in the message that names its option. */
  private static <T> ITypeConverter<T> reads(Function<String, T> parse) {
    return text -> {
      try {
        return parse.apply(text);
      } catch (InputException e) {
        throw new TypeConversionException(e.getMessage());
      }
    };
  }

  private static DType dtype(String text) {
    return switch (text.toLowerCase(Locale.ROOT)) {
      case "fp32" -> DType.F32;
      case "bf16" -> DType.BF16;
      default -> throw new TypeConversionException("not one of fp32, bf16");
    };
  }

  /** One line instead of a page of usage, in which the reason scrolls away. */
  private static int wrongUsage(ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    command.getErr().println("clipsteer: " + UsageFault.of(e, args));
    command.getErr().println("See " + command.getCommandSpec().qualifiedName() + " --help");
    return CommandLine.ExitCode.USAGE;
  }

  /** Help is printed for a command that exists only. */
  private static int run(ParseResult parsed) {
    ParseResult last = parsed;
    while (last.hasSubcommand()) last = last.subcommand();
    if (!last.unmatched().isEmpty()) {
      CommandLine command = last.commandSpec().commandLine();
      throw new UnmatchedArgumentException(command, last.unmatched());
    }
    return new CommandLine.RunLast().execute(parsed);
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
