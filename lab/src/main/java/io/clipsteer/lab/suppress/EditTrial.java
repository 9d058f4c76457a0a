// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.SideBySide;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.NotFiniteException;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TowerOutput;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.TowerWalk;
import io.clipsteer.lab.study.Groups;
import io.clipsteer.lab.study.LabelledImages;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Evaluates many edits: every image passes the tower once, and once more from the hook point on for
 * each edit. Only whether an answer is right is kept. A block is a batch of places in one part, and
 * its answers are a function of its images, the candidates and the model alone: any process may
 * evaluate it.
 */
final class EditTrial {
  private final ClipModel model;
  private final List<Candidate> candidates;
  private final Map<HookPoint, Map<EditSite, List<Integer>>> byPoint = new LinkedHashMap<>();
  private final List<Range> blocks = new ArrayList<>();
  private final boolean whole;

  /** Places of a part, from the first on. */
  private record Range(LabelledImages part, long first, int count) {
    boolean isOfPartOf(Range other) {
      return part == other.part;
    }

    /** Whether one loader reads both. */
    boolean follows(Range other) {
      return isOfPartOf(other) && first == other.first + other.count;
    }
  }

  /** Takes blocks as they are evaluated, by number. */
  private interface Taker {
    void take(int number, TrialBlock block);
  }

  /**
   * A trial.
   *
   * @param share of each part's blocks
   */
  EditTrial(
      ClipModel model,
      List<LabelledImages> parts,
      List<Candidate> candidates,
      Screening.ImageShare share) {
    this.model = model;
    this.whole = share.equals(Screening.ImageShare.WHOLE);
    this.candidates = List.copyOf(candidates);
    for (int c = 0; c < candidates.size(); c++) {
      EditSite site = candidates.get(c).site();
      byPoint
          .computeIfAbsent(site.point(), p -> new LinkedHashMap<>())
          .computeIfAbsent(site, p -> new ArrayList<>())
          .add(c);
    }
    for (LabelledImages part : parts) {
      int images = part.truth().length;
      int batch = part.images().options().batchSize();
      for (int b : share.blocks(Math.ceilDiv(images, batch))) {
        long first = (long) b * batch;
        blocks.add(new Range(part, first, (int) Math.min(batch, images - first)));
      }
    }
  }

  /**
   * The right answers.
   *
   * @param groups of each image
   * @param before images answered right without an edit
   * @param after the same with each of the candidates
   * @param seen how many of the images, from the first on, each candidate was evaluated on
   */
  record TrialResult(
      List<Integer> groups,
      BitSet before,
      List<BitSet> after,
      List<Integer> seen,
      List<ImageLoader.Skipped> skipped) {
    /** All candidates on all images. */
    TrialResult(
        List<Integer> groups,
        BitSet before,
        List<BitSet> after,
        List<ImageLoader.Skipped> skipped) {
      this(groups, before, after, Collections.nCopies(after.size(), groups.size()), skipped);
    }

    /** With the answers of further candidates to the same images. */
    TrialResult and(TrialResult other) {
      return new TrialResult(
          groups,
          before,
          Stream.concat(after.stream(), other.after.stream()).toList(),
          Stream.concat(seen.stream(), other.seen.stream()).toList(),
          skipped);
    }

    /** On the first images alone. */
    TrialResult first(int images) {
      return new TrialResult(
          groups.subList(0, images),
          before.get(0, images),
          after.stream().map(right -> right.get(0, images)).toList(),
          seen.stream().map(n -> Math.min(n, images)).toList(),
          skipped);
    }

    /**
     * With the answers of some of the candidates to further images.
     *
     * @param which candidates these are, ascending
     */
    TrialResult then(TrialResult other, BitSet which) {
      int at = groups.size();
      List<BitSet> all = new ArrayList<>(after);
      List<Integer> now = new ArrayList<>(seen);
      int next = 0;
      for (int c = which.nextSetBit(0); c >= 0; c = which.nextSetBit(c + 1)) {
        all.set(c, joined(after.get(c), other.after.get(next++), at));
        now.set(c, at + other.groups.size());
      }
      return new TrialResult(
          Stream.concat(groups.stream(), other.groups.stream()).toList(),
          joined(before, other.before, at),
          all,
          now,
          Stream.concat(skipped.stream(), other.skipped.stream()).toList());
    }

    private static BitSet joined(BitSet first, BitSet more, int at) {
      BitSet all = (BitSet) first.clone();
      more.stream().forEach(i -> all.set(at + i));
      return all;
    }

    /**
     * Scores by group.
     *
     * @param right images answered right with the edit
     */
    GroupScore score(Groups of, BitSet right) {
      return GroupScore.of(of, groups, before, right);
    }
  }

  /**
   * Evaluates in this process.
   *
   * @param candidates perhaps none
   * @param folder of blocks, from which it is resumed; null for none
   * @param name of the work, for progress
   */
  static TrialResult run(
      ClipModel model,
      List<LabelledImages> parts,
      List<Candidate> candidates,
      @Nullable Path folder,
      String name,
      Progress progress) {
    TrialFolder stored = folder == null ? null : TrialFolder.of(folder, parts, candidates);
    return new EditTrial(model, parts, candidates, Screening.ImageShare.WHOLE)
        .run(stored, name, progress);
  }

  /**
   * Evaluates in this process.
   *
   * @param stored blocks, from which it is resumed; null for none
   * @param name of the work, for progress
   */
  TrialResult run(@Nullable TrialFolder stored, String name, Progress progress) {
    List<@Nullable TrialBlock> known = read(stored);
    long images = blocks.stream().mapToLong(Range::count).sum();
    try (var task = progress.start(name, images, "images")) {
      long resumed =
          known.stream().filter(Objects::nonNull).mapToLong(b -> b.groups().size()).sum();
      if (resumed > 0) task.resumed(resumed);
      double flops = flopsPerImage();
      for (int from = 0; from < known.size(); ) {
        int to = from + 1;
        if (known.get(from) == null) {
          while (to < known.size()
              && known.get(to) == null
              && blocks.get(to).follows(blocks.get(to - 1))) {
            to++;
          }
          evaluate(
              from,
              to,
              (number, block) -> {
                if (stored != null) stored.write(number, block);
                known.set(number, block);
                task.advance(block.groups().size(), flops * block.groups().size());
              });
        }
        from = to;
      }
    }
    return joined(known);
  }

  /** Which blocks a folder does not hold. */
  List<Integer> missing(TrialFolder stored) {
    List<@Nullable TrialBlock> known = read(stored);
    return IntStream.range(0, known.size()).filter(b -> known.get(b) == null).boxed().toList();
  }

  /** How many blocks there are. */
  int count() {
    return blocks.size();
  }

  /** Places in some blocks. */
  long count(List<Integer> numbers) {
    return numbers.stream().mapToLong(number -> blocks.get(number).count).sum();
  }

  /**
   * The result of blocks that other processes stored.
   *
   * @throws InputException where they are not there
   */
  TrialResult joined(TrialFolder stored) {
    List<@Nullable TrialBlock> known = read(stored);
    if (known.contains(null)) {
      throw new InputException(
          stored.path(),
          "lacks answers that the cluster has evaluated",
          "--out must be the same folder on every machine of the cluster");
    }
    return joined(known);
  }

  /** Evaluates a block; called by any thread. */
  TrialBlock block(int number) {
    List<TrialBlock> one = new ArrayList<>();
    evaluate(number, number + 1, (same, block) -> one.add(block));
    return one.getFirst();
  }

  private List<@Nullable TrialBlock> read(@Nullable TrialFolder stored) {
    List<@Nullable TrialBlock> known = new ArrayList<>();
    for (int b = 0; b < blocks.size(); b++) known.add(stored == null ? null : stored.read(b));
    return known;
  }

  /** All blocks, in their order; a whole part of which no image could be read is refused. */
  private TrialResult joined(List<@Nullable TrialBlock> known) {
    List<Integer> groups = new ArrayList<>();
    BitSet before = new BitSet();
    List<BitSet> after = new ArrayList<>();
    for (int c = 0; c < candidates.size(); c++) after.add(new BitSet());
    List<ImageLoader.Skipped> skipped = new ArrayList<>();
    int start = 0;
    int behind = 0;
    for (int b = 0; b < known.size(); b++) {
      TrialBlock block = Objects.requireNonNull(known.get(b));
      if (b > 0 && !blocks.get(b).isOfPartOf(blocks.get(b - 1))) {
        start = groups.size();
        behind = skipped.size();
      }
      int at = groups.size();
      or(before, block.before(), at);
      for (int c = 0; c < after.size(); c++) or(after.get(c), block.after().get(c), at);
      groups.addAll(block.groups());
      skipped.addAll(block.skipped());
      boolean last = b + 1 == known.size() || !blocks.get(b + 1).isOfPartOf(blocks.get(b));
      if (whole && last && groups.size() == start) {
        throw blocks.get(b).part.images().nothing(skipped.subList(behind, skipped.size()));
      }
    }
    return new TrialResult(List.copyOf(groups), before, after, List.copyOf(skipped));
  }

  private static void or(BitSet into, byte[] bits, int at) {
    BitSet.valueOf(bits).stream().forEach(i -> into.set(at + i));
  }

  /** Of an image: the tower, and the rest of the tower for each edit. */
  double flopsPerImage() {
    double flops = model.vision().flopsPerImage();
    for (Candidate candidate : candidates) {
      flops += model.vision().flopsAfter(candidate.site().point().layer());
    }
    return flops;
  }

  /** Evaluates consecutive blocks of one part in one pass. */
  private void evaluate(int from, int to, Taker taker) {
    Range first = blocks.get(from);
    Range last = blocks.get(to - 1);
    Images images = first.part.images();
    int batchSize = images.options().batchSize();
    var options =
        images
            .options()
            .withStart(first.first)
            .withLimit(last.first + last.count - first.first)
            .withBlock(batchSize);
    int next = from;
    try (ImageLoader loader = new Images(images.set(), images.preprocessing(), options).open()) {
      for (ImageBatch batch = loader.next(); batch != null; batch = loader.next()) {
        int number =
            from + Math.toIntExact((batch.positions().getFirst() - first.first) / batchSize);
        for (; next < number; next++) taker.take(next, unreadable(next, loader));
        try (Scope scope = Scope.open()) {
          Tensor pixels = images.pixels(batch);
          taker.take(next, evaluated(first.part, batch, pixels, skipped(next, loader)));
        } catch (NotFiniteException e) {
          throw e.named(batch.ids());
        }
        next++;
      }
      for (; next < to; next++) taker.take(next, unreadable(next, loader));
    }
  }

  /** The images of a block that were skipped: all, once its batch or a later one is there. */
  private List<ImageLoader.Skipped> skipped(int number, ImageLoader loader) {
    Range range = blocks.get(number);
    return loader.skipped().stream()
        .filter(one -> one.position() >= range.first)
        .filter(one -> one.position() < range.first + range.count)
        .toList();
  }

  private TrialBlock unreadable(int number, ImageLoader loader) {
    List<BitSet> none = Collections.nCopies(candidates.size(), new BitSet());
    return TrialBlock.of(List.of(), new BitSet(), none, skipped(number, loader));
  }

  private TrialBlock evaluated(
      LabelledImages part, ImageBatch batch, Tensor pixels, List<ImageLoader.Skipped> skipped) {
    int[] truth = part.truth(batch);
    List<BitSet> after = new ArrayList<>();
    for (int c = 0; c < candidates.size(); c++) after.add(new BitSet());
    TowerOutput output;
    if (byPoint.isEmpty()) {
      output = model.vision().run(pixels, Hooks.NONE);
    } else {
      Paused last =
          TowerWalk.past(model.vision(), byPoint.keySet())
              .walk(pixels, paused -> edit(paused, part, truth, after));
      output = model.vision().continueFrom(last, Hooks.NONE);
    }
    BitSet before = right(output, part, truth);
    return TrialBlock.of(IntStream.of(part.group(batch)).boxed().toList(), before, after, skipped);
  }

  private void edit(Paused paused, LabelledImages part, int[] truth, List<BitSet> after) {
    byPoint
        .getOrDefault(paused.at(), Map.of())
        .forEach(
            (site, numbers) -> {
              try (Scope scope = Scope.open()) {
                var tokens = new EncodedTokens(paused.value(), site, saes(numbers));
                SideBySide.each(
                    model.vision().device(),
                    numbers.size(),
                    n -> {
                      int c = numbers.get(n);
                      try (Scope step = Scope.open()) {
                        Paused edited = paused.with(tokens.edited(candidates.get(c).edit()));
                        TowerOutput output = model.vision().continueFrom(edited, Hooks.NONE);
                        after.set(c, right(output, part, truth));
                      }
                    });
              }
            });
  }

  /** The SAEs that candidates edit. */
  private List<Sae> saes(List<Integer> numbers) {
    return numbers.stream().flatMap(c -> candidates.get(c).edit().saes().stream()).toList();
  }

  private static BitSet right(TowerOutput output, LabelledImages part, int[] truth) {
    var answers = ZeroShot.answers(output, part.head(), 1);
    BitSet right = new BitSet();
    for (int i = 0; i < truth.length; i++) {
      if (answers.get(i).getFirst().index() == truth[i]) right.set(i);
    }
    return right;
  }
}
