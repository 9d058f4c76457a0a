// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.sun.management.HotSpotDiagnosticMXBean;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ExplorerOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.explorer.ExploredRun;
import io.clipsteer.explorer.Explorer;
import io.clipsteer.lab.run.Counted;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code explore}. */
@Command(
    name = "explore",
    description = {
      "Open a page on one or several runs, in a browser on this machine: look for features by text,"
          + " image or label, edit them on an image, and see at once what the model answers.",
      "The server runs until Ctrl-C. The address that it prints holds a key that lets one browser"
          + " in, once; then it prints the next. docs/explorer-api.md describes its HTTP API."
    },
    footer = "Example: clipsteer explore --run runs/all --images photos --vocabulary words.txt")
final class ExploreCommand implements Runnable {
  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;

  @Mixin private ExplorerOptions explored;

  @Option(names = "--port", defaultValue = "0", description = "Port; 0 for any that is free.")
  private int port;

  @Option(
      names = "--host",
      defaultValue = "127.0.0.1",
      paramLabel = "HOST",
      description =
          "Address to listen on. Other than 127.0.0.1: others may reach it, with the key.")
  private String host;

  @Option(names = "--no-browser", description = "Do not open a browser.")
  private boolean noBrowser;

  @Option(
      names = "--url-file",
      paramLabel = "FILE",
      description =
          "Write the address into this file, for scripts; it is deleted when the server ends.")
  private @Nullable Path urlFile;

  @Option(names = "--read-only", description = "Do not let users save notes and edits.")
  private boolean readOnly;

  /** What {@code --json} prints when the page is ready. */
  private record Json(String url, int saes, long features, int images, double readySeconds) {}

  @Override
  public void run() {
    common.applyOnCpu();
    CommonOptions.within("--port", port, 0, 65_535);
    returnIdleMemory();
    Path written = urlFile;
    if (written != null) Main.atStop(() -> Folders.deleteQuietly(written));
    var settings = explored.settings(images, common.device(), host, port, readOnly, this::renewed);
    try (Explorer explorer = Explorer.start(settings, this::index)) {
      announce(explorer);
      try {
        explorer.await();
      } finally {
        if (urlFile != null) Folders.deleteQuietly(urlFile);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void index(ExploredRun run, Progress progress) {
    IndexCommand.index(run, images, explored.labelTable(), explored.vocabulary(), common, progress);
  }

  /**
   * An image that is dropped onto the page may need a gigabyte for a moment, and the JVM keeps what
   * it once had: a server that runs for days gives it back when nothing is computed.
   */
  private static void returnIdleMemory() {
    var vm = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
    if (vm == null) return;
    vm.setVMOption("MinHeapFreeRatio", "10");
    vm.setVMOption("MaxHeapFreeRatio", "20");
    vm.setVMOption("G1PeriodicGCInterval", "20000"); // milliseconds
  }

  private void announce(Explorer explorer) {
    URI address = explorer.address();
    write(address);
    if (!Explorer.isLoopback(host)) {
      System.err.println(
          "clipsteer: others in the network of "
              + host
              + " can reach this page. Whoever has the address can use it, and what is sent is not"
              + " encrypted");
    }
    long uptime = ManagementFactory.getRuntimeMXBean().getUptime();
    var json =
        new Json(
            address.toString(),
            explorer.saes(),
            explorer.features(),
            explorer.images(),
            uptime / 1000.0);
    common.print(
        json,
        Lines.of(
            "%s%n%s, %s; ready after %.1f s. Ctrl-C stops it.",
            address,
            Counted.of(json.features(), "feature"),
            Counted.of(json.images(), "image"),
            json.readySeconds()));
    if (!noBrowser) openBrowser(address);
  }

  private void write(URI address) {
    if (urlFile != null) AtomicFiles.writeText(urlFile, address + "\n");
  }

  /** An address lets in once; another browser needs the next. */
  private void renewed(URI next) {
    write(next);
    System.err.println("clipsteer: a browser has come in; for another one: " + next);
  }

  /** Shows the page where the system says how; the printed address is there in any case. */
  private static void openBrowser(URI address) {
    boolean mac = System.getProperty("os.name", "").toLowerCase(Locale.ROOT).contains("mac");
    boolean screen = System.getenv("DISPLAY") != null || System.getenv("WAYLAND_DISPLAY") != null;
    if (!mac && !screen) return;
    try {
      new ProcessBuilder(mac ? "open" : "xdg-open", address.toString())
          .redirectErrorStream(true)
          .redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .start();
    } catch (IOException e) {
      System.err.println("clipsteer: no browser could be started; open the address yourself");
    }
  }
}
