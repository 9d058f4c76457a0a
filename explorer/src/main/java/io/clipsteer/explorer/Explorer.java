// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.lab.index.Labels;
import io.clipsteer.lab.index.QueryProcess;
import io.clipsteer.lab.label.LabelQueue;
import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.URI;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The explorer: runs, images, and the server of the page. */
public final class Explorer implements AutoCloseable {
  /** Both families: a browser may take {@code localhost} for either. */
  private static final List<String> LOOPBACK = List.of("127.0.0.1", "[::1]");

  /** All addresses of this machine. */
  private static final Set<String> ANY = Set.of("0.0.0.0", "::", "[::]");

  private static final QueryProcess.QueryLimits QUERY = new QueryProcess.QueryLimits(5, 1000, 1024);

  /**
   * What is explored, and where it can be reached.
   *
   * @param labels of the images
   * @param upright whether images are rotated by their EXIF orientation
   * @param host to listen on; 127.0.0.1 stands for this machine alone, by both IP families
   * @param port 0 for any that is free
   * @param definitions of the page's words
   * @param evaluation by people, whose trials the page asks; null for none
   * @param renewed gets the next address when one was used up
   * @param readOnly whether notes, edits and answers cannot be saved
   */
  public record ExplorerSettings(
      List<ExploredRun> runs,
      ImageSet images,
      Labels labels,
      boolean upright,
      String host,
      int port,
      List<Definition> definitions,
      @Nullable LabelQueue evaluation,
      Consumer<URI> renewed,
      boolean readOnly) {}

  private final List<RunSlot> slots;
  private final ImageShelf images;
  private final Turns turns;
  private final QueryProcess queries;
  private final ExplorerServer server;
  private final String host;
  private final CountDownLatch stopped = new CountDownLatch(1);

  private Explorer(
      List<RunSlot> slots,
      ImageShelf images,
      Turns turns,
      QueryProcess queries,
      ExplorerServer server,
      String host) {
    this.slots = slots;
    this.images = images;
    this.turns = turns;
    this.queries = queries;
    this.server = server;
    this.host = host;
  }

  /**
   * Opens the runs and starts to listen; the explorer closes the runs, also where it fails. Runs
   * without an index are indexed while the page shows how far that is.
   *
   * @param indexer indexes a run
   * @throws InputException when a run's index does not fit it, the images cannot be opened one by
   *     one, or the port is taken
   */
  public static Explorer start(
      ExplorerSettings settings, BiConsumer<ExploredRun, Progress> indexer) {
    List<RunSlot> slots = settings.runs.stream().map(RunSlot::new).toList();
    Turns turns = new Turns();
    QueryProcess queries = new QueryProcess(QUERY);
    CompletableFuture<ExplorerServer> server = new CompletableFuture<>();
    try {
      boolean local = isLoopback(settings.host);
      String host = settings.host.toLowerCase(Locale.ROOT);
      String shown = local || ANY.contains(host) ? "127.0.0.1" : host;
      var images = new ImageShelf(settings.images, settings.labels, settings.upright);
      List<Route> routes =
          ExplorerApi.routes(
              new Desks(slots, images),
              turns,
              queries,
              settings.definitions,
              settings.evaluation,
              settings.readOnly);
      Access access = Access.with(local ? Set.of() : names(host));
      List<String> hosts = local ? LOOPBACK : List.of(host);
      // Nobody knows the address before the runs are open.
      Runnable entered =
          () -> server.thenAccept(one -> settings.renewed.accept(one.address(shown)));
      Thread.ofPlatform()
          .start(() -> complete(server, access, hosts, settings.port, routes, entered));
      List<RunSlot> unindexed = slots.stream().filter(slot -> !slot.isIndexed()).toList();
      for (RunSlot slot : slots) if (!unindexed.contains(slot)) slot.open(indexer, turns);
      ExplorerServer listening = server.join();
      for (RunSlot slot : unindexed) {
        turns.submit("index", slot.toString(), () -> opened(slot, indexer, turns));
      }
      return new Explorer(slots, images, turns, queries, listening, shown);
    } catch (RuntimeException e) {
      server.thenAccept(ExplorerServer::close);
      turns.close();
      slots.forEach(RunSlot::close);
      throw e instanceof CompletionException && e.getCause() instanceof RuntimeException cause
          ? cause
          : e;
    }
  }

  private static void complete(
      CompletableFuture<ExplorerServer> server,
      Access access,
      List<String> hosts,
      int port,
      List<Route> routes,
      Runnable entered) {
    try {
      server.complete(ExplorerServer.start(access, hosts, port, routes, entered));
    } catch (RuntimeException e) {
      server.completeExceptionally(e);
    }
  }

  private static boolean opened(
      RunSlot slot, BiConsumer<ExploredRun, Progress> indexer, Turns turns) {
    slot.open(indexer, turns);
    return true;
  }

  /** Whether an address is this machine's own alone. */
  public static boolean isLoopback(String host) {
    return Set.of("127.0.0.1", "localhost", "::1", "[::1]").contains(host.toLowerCase(Locale.ROOT));
  }

  /** Names in a request by which a server at an address may be meant. */
  private static Set<String> names(String host) {
    if (!ANY.contains(host)) return Set.of(host);
    try {
      Set<String> names = new HashSet<>();
      names.add(InetAddress.getLocalHost().getHostName().toLowerCase(Locale.ROOT));
      for (NetworkInterface network : Collections.list(NetworkInterface.getNetworkInterfaces())) {
        for (InetAddress address : Collections.list(network.getInetAddresses())) {
          String text = address.getHostAddress().replaceFirst("%.*", "");
          names.add(address instanceof Inet6Address ? "[" + text + "]" : text);
        }
      }
      return names;
    } catch (IOException e) {
      throw new InputException(
          "--host " + host, "this machine's addresses are not known", "Name one", e);
    }
  }

  /** The address that lets one browser in; it holds the key. */
  public URI address() {
    return server.address(host);
  }

  /** Images that can be opened. */
  public int images() {
    return images.count();
  }

  /** SAEs of all runs. */
  public int saes() {
    return slots.stream().mapToInt(slot -> slot.run().saes().all().size()).sum();
  }

  /** Features of all runs. */
  public long features() {
    return slots.stream()
        .flatMap(slot -> slot.run().saes().all().stream())
        .mapToLong(one -> one.sae().features())
        .sum();
  }

  /** Waits until another thread closes it. */
  public void await() throws InterruptedException {
    stopped.await();
  }

  /** Stops to listen, ends what is computed, and closes the runs. */
  @Override
  public void close() {
    server.close();
    turns.close();
    queries.close();
    slots.forEach(RunSlot::close);
    stopped.countDown();
  }
}
