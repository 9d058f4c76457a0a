// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonFile;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.InterruptedIOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Runs queries of people who are not trusted in a process of its own, a line of JSON each way.
 * DuckDB evaluates some functions where nothing can interrupt them, and does not count all memory
 * against its limit: only the end of a process ends both. A process serves queries until one
 * exceeds the limits; the next query starts another.
 */
public final class QueryProcess implements AutoCloseable {
  /**
   * What a query may use.
   *
   * @param seconds of time
   * @param rows of its answer
   * @param megabytes of DuckDB's memory, the tables that it names included
   */
  public record QueryLimits(int seconds, int rows, int megabytes) {}

  /** A query as the process reads it. */
  private record QueryCall(String folder, String sql, QueryLimits limits) {}

  /** What the process answers: rows, or the reason why there are none. */
  private record QueryReply(FeatureQuery.@Nullable QueryRows rows, @Nullable String refusal) {}

  private static final int MOST_CHARACTERS = 16 << 20;

  /** A process loads DuckDB before it answers. */
  private static final int START_SECONDS = 30;

  private static final String READY = "ready";

  private final QueryLimits limits;
  private volatile @Nullable Child child;
  private volatile boolean closed;

  /** A process that answers. */
  private record Child(Process process, BufferedWriter in, BufferedReader out) {}

  /** Starts nothing before the first query. */
  public QueryProcess(QueryLimits limits) {
    this.limits = limits;
  }

  /**
   * Runs a query, one at a time.
   *
   * @throws InputException when there is no index, the query fails or reaches a limit
   */
  public synchronized FeatureQuery.QueryRows run(IndexFolder folder, String sql) {
    if (closed) throw new InputException("the query", "came too late", "Start the program again");
    try {
      Child open = child == null ? start() : child;
      String path = folder.path().toAbsolutePath().toString();
      open.in.write(JsonFile.line(new QueryCall(path, sql, limits)));
      open.in.newLine();
      open.in.flush();
      QueryReply reply = JsonFile.MAPPER.readValue(line(open, limits.seconds), QueryReply.class);
      if (reply.rows != null) return reply.rows;
      throw new InputException(String.valueOf(reply.refusal));
    } catch (IOException e) {
      stop();
      throw new InputException("the query", "ended its process", "Ask for less", e);
    }
  }

  private Child start() throws IOException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    List<String> command =
        List.of(
            java,
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            QueryProcess.class.getName());
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    Child open = new Child(process, process.outputWriter(UTF_8), process.inputReader(UTF_8));
    child = open;
    if (closed) stop();
    line(open, START_SECONDS);
    return open;
  }

  /** The process's next line; the process ends where it does not come in time. */
  private String line(Child open, int seconds) throws IOException {
    var read = new FutureTask<@Nullable String>(open.out::readLine);
    Thread.ofPlatform().daemon().name("query").start(read);
    try {
      String line = read.get(seconds, TimeUnit.SECONDS);
      if (line == null) throw new EOFException();
      return line;
    } catch (TimeoutException e) {
      stop();
      throw new InputException(
          "the query", "takes longer than " + seconds + " seconds", "Ask for less", e);
    } catch (InterruptedException e) {
      stop();
      Thread.currentThread().interrupt();
      throw new InterruptedIOException();
    } catch (ExecutionException e) {
      throw new IOException(e);
    }
  }

  private void stop() {
    Child open = child;
    child = null;
    if (open != null) open.process.destroyForcibly();
  }

  /** Ends the process. A query that runs is refused. */
  @Override
  public void close() {
    closed = true;
    stop();
  }

  /** The process: answers each line of standard input until there is no more. */
  public static void main(String[] arguments) throws IOException {
    // Where the explorer is killed, a query that nothing can interrupt would run on.
    ProcessHandle.current()
        .parent()
        .ifPresent(parent -> parent.onExit().thenRun(() -> Runtime.getRuntime().halt(1)));
    FeatureQuery.load();
    var in = new BufferedReader(new InputStreamReader(System.in, UTF_8));
    var out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, UTF_8);
    out.println(READY);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      out.println(reply(JsonFile.MAPPER.readValue(line, QueryCall.class)));
    }
  }

  private static String reply(QueryCall call) {
    try {
      var folder = new IndexFolder(Path.of(call.folder));
      var rows = FeatureQuery.run(folder, call.sql, call.limits.rows, call.limits.megabytes);
      String line = JsonFile.line(new QueryReply(rows, null));
      if (line.length() <= MOST_CHARACTERS) return line;
      throw new InputException(
          "the query", "gives more than " + (MOST_CHARACTERS >> 20) + " MB", "Ask for less");
    } catch (InputException e) {
      return JsonFile.line(new QueryReply(null, String.valueOf(e.getMessage())));
    }
  }
}
