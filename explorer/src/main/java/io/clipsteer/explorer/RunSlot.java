// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** A run of the explorer: open, or being indexed first. For any thread. */
final class RunSlot {
  /**
   * How far indexing is.
   *
   * @param total 0 where it is not known
   * @param error why it failed, or null
   */
  record IndexingState(String title, long done, long total, @Nullable String error) {}

  private final ExploredRun run;
  private volatile @Nullable Desk desk;
  private volatile @Nullable IndexingState indexing;

  RunSlot(ExploredRun run) {
    this.run = run;
    // From the start: the page may ask before the first image is read.
    if (!isIndexed()) indexing = new IndexingState("starting", 0, 0, null);
  }

  ExploredRun run() {
    return run;
  }

  boolean isIndexed() {
    return IndexFolder.of(run.folder()).has(IndexedUnits.FEATURES);
  }

  /** Opens it; indexes it first where it is not. */
  void open(BiConsumer<ExploredRun, Progress> indexer, Turns turns) {
    boolean indexed = isIndexed();
    try {
      if (!indexed) indexer.accept(run, this::task);
      desk = Desk.open(run);
      indexing = null;
      warm(turns);
    } catch (RuntimeException e) {
      // An index that is there already fails the start; one that is made now fails in the page.
      if (indexed) throw e;
      String why =
          e instanceof InputException ? String.valueOf(e.getMessage()) : "clipsteer failed";
      if (!(e instanceof InputException)) e.printStackTrace();
      indexing = new IndexingState("stopped", 0, 0, why);
    }
  }

  /** Reads beforehand what first requests would wait for, in pieces between the requests. */
  private void warm(Turns turns) {
    Desk opened = desk;
    if (opened == null) return;
    for (int k = 0; k < run.saes().all().size(); k++) {
      int sae = k;
      turns.submit("warm " + this + k, "warm", () -> warmed(() -> opened.workbench().warm(sae)));
    }
    turns.submit("warm " + this, "warm", () -> warmed(opened::warmSearch));
  }

  private static boolean warmed(Runnable piece) {
    piece.run();
    return true;
  }

  private Progress.Task task(String name, long total, String unit) {
    return new Progress.Task() {
      private long done;

      @Override
      public void advance(long units, double flops) {
        done += units;
        indexing = new IndexingState(name, done, Math.max(0, total), null);
      }

      @Override
      public void close() {}
    };
  }

  @Nullable IndexingState indexing() {
    return indexing;
  }

  /** The open run. */
  Desk desk() {
    Desk opened = desk;
    if (opened != null) return opened;
    throw new InputException(run.folder().path(), "is being indexed", "Wait, or see the page");
  }

  void close() {
    Desk opened = desk;
    if (opened != null) opened.close();
    run.close();
  }
}
