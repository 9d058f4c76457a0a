// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.TowerOutput;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.lab.experiment.Experiment;
import io.clipsteer.lab.index.Codes;
import io.clipsteer.lab.index.FeatureSearch;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.run.RunSaes;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The model, its SAEs and heads, and the images that are open. An open image's residuals and codes
 * are kept at every hook point with an SAE, so that an edit runs only what follows. For one thread.
 */
final class Workbench implements AutoCloseable {
  /** Images that are kept open; the one that was used least lately makes room. */
  private static final int OPEN = 8;

  /** Classes that are sent of a head. */
  private static final int MOST_CLASSES = 20;

  /**
   * A head's answers.
   *
   * @param classes of the image, the likeliest first; null for a head of patches
   * @param map of the patches; null for a head of the image
   */
  record HeadAnswers(
      String head, @Nullable List<Experiment.ClassAnswer> classes, @Nullable PatchMap map) {}

  /**
   * Classes of patches, row by row.
   *
   * @param before numbers of classes as bytes in base 64
   * @param after likewise
   */
  record PatchMap(List<String> classes, String before, String after) {}

  /**
   * An open image.
   *
   * @param pauses by hook point with an SAE
   * @param encoded all its tokens, by SAE
   * @param codes the same on the heap
   * @param output of the tower without an edit
   * @param maps of heads of patches without an edit, by name, as they are made
   */
  private record OpenImage(
      NavigableMap<HookPoint, Paused> pauses,
      List<Sae.Encoded> encoded,
      List<Codes> codes,
      TowerOutput output,
      Map<String, int[]> maps) {
    void close() {
      pauses.values().forEach(Paused::close);
      for (Sae.Encoded one : encoded) {
        one.code().indices().close();
        one.code().values().close();
        one.input().z().close();
        one.input().shift().close();
        one.input().scale().close();
      }
      output.embedding().close();
      output.pooled().close();
    }
  }

  private final ExploredRun run;
  private final Preprocessing shape;
  private final FeatureSearch search;
  private final Texts texts;
  private final EditedSites edited;
  private final LinkedHashMap<String, OpenImage> open = new LinkedHashMap<>(16, 0.75f, true);

  Workbench(ExploredRun run, FeatureSearch search, Texts texts) {
    this.run = run;
    this.search = search;
    this.texts = texts;
    shape = run.shape();
    edited = new EditedSites(run);
  }

  private ClipModel model() {
    return run.model();
  }

  private VisionTower tower() {
    return model().vision();
  }

  /** Reads beforehand what the first edit of an SAE's units would read. */
  void warm(int sae) {
    edited.warm(sae);
  }

  boolean isOpen(String id) {
    return open.containsKey(id);
  }

  /** Opens an image, if it is not. */
  void open(String id, RgbImage decoded) {
    if (open.containsKey(id)) return;
    open.put(id, read(decoded));
    if (open.size() > OPEN) open.pollFirstEntry().getValue().close();
  }

  private OpenImage read(RgbImage decoded) {
    NavigableMap<HookPoint, Paused> pauses = new TreeMap<>();
    List<Sae.Encoded> encoded = new ArrayList<>();
    try (Scope scope = Scope.open()) {
      Tensor pixels = pixels(decoded);
      Paused last = null;
      for (HookPoint point : points()) {
        last =
            last == null
                ? tower().runUntil(pixels, point, Hooks.NONE)
                : tower().continueUntil(last, point, Hooks.NONE);
        pauses.put(point, last);
      }
      Paused end = Objects.requireNonNull(last);
      TowerOutput output = tower().continueFrom(end, Hooks.NONE);
      for (RunSaes.One one : run.saes().all()) {
        Paused paused = Objects.requireNonNull(pauses.get(one.point()));
        encoded.add(one.sae().encode(rows(paused)));
      }
      List<Codes> codes = encoded.stream().map(one -> Codes.of(one.code())).toList();
      pauses.replaceAll((point, paused) -> paused.map(one -> scope.release(one.copy())));
      encoded.replaceAll(one -> released(scope, one));
      TowerOutput own =
          new TowerOutput(
              scope.release(output.pooled().copy()), scope.release(output.embedding().copy()));
      return new OpenImage(pauses, List.copyOf(encoded), codes, own, new HashMap<>());
    }
  }

  /** Pixels F32 [1,3,h,w]. */
  private Tensor pixels(RgbImage decoded) {
    return Tensor.of(shape.apply(decoded), 1, 3, shape.height(), shape.width());
  }

  private List<HookPoint> points() {
    return run.saes().all().stream().map(RunSaes.One::point).distinct().sorted().toList();
  }

  private Tensor rows(Paused paused) {
    int prefix = tower().config().prefixTokens();
    return SelectedTokens.of(paused.value(), TokenSelection.ALL, prefix).rows();
  }

  private static Sae.Encoded released(Scope scope, Sae.Encoded one) {
    SparseCode code = one.code();
    var input = one.input();
    return new Sae.Encoded(
        new SparseCode(
            code.starts(),
            scope.release(code.indices().copy()),
            scope.release(code.values().copy())),
        new InputNormalisation.Normalised(
            scope.release(input.z().copy()),
            scope.release(input.shift().copy()),
            scope.release(input.scale().copy())));
  }

  private OpenImage opened(String id) {
    OpenImage image = open.get(id);
    if (image != null) return image;
    throw new InputException("the image " + id, "is not open any more", "Open it again");
  }

  // ---- observe ---------------------------------------------------------------------------------

  /** The strongest features of an open image's patches; of all tokens where none are given. */
  List<FeatureSearch.Hit> selection(String id, List<Integer> patches, double below, int count) {
    return search.byCodes(model(), run.saes(), opened(id).codes, patches, below, count);
  }

  /**
   * A feature's activations on an open image's patches, row by row.
   *
   * @return null where the SAE does not read patches
   */
  float @Nullable [] activations(String id, int sae, int feature) {
    Codes codes = opened(id).codes.get(sae);
    if (run.saes().all().get(sae).selection() == TokenSelection.CLS) return null;
    int prefix = tower().config().prefixTokens();
    float[] active = new float[codes.starts().length - 1 - prefix];
    for (int patch = 0; patch < active.length; patch++) {
      int row = prefix + patch;
      for (int e = codes.starts()[row]; e < codes.starts()[row + 1]; e++) {
        if (codes.units()[e] == feature) active[patch] = Math.max(0, codes.values()[e]);
      }
    }
    return active;
  }

  // ---- test ------------------------------------------------------------------------------------

  /** What all heads answer for an open image, without and with an edit. */
  List<HeadAnswers> answers(PageEdit edit) {
    OpenImage image = opened(edit.image());
    NavigableMap<HookPoint, EditedSites.SiteEdit> sites = edited.of(edit);
    try (Scope scope = Scope.open()) {
      Paused start = sites.isEmpty() ? null : start(image, sites);
      Hooks later = Hooks.NONE;
      for (var site : sites.entrySet()) {
        if (site.getKey().equals(sites.firstKey())) continue;
        later = later.edit(site.getKey(), site.getValue().edit());
      }
      TowerOutput output = start == null ? image.output : tower().continueFrom(start, later);
      List<HeadAnswers> all = new ArrayList<>();
      for (var head : heads(edit.words()).entrySet()) {
        List<Experiment.ClassAnswer> classes =
            Experiment.answers(image.output, output, head.getValue());
        if (classes.stream().anyMatch(one -> Double.isNaN(one.after()))) {
          throw new InputException("the edit", "overflows the model's numbers", "Set less");
        }
        all.add(
            new HeadAnswers(head.getKey(), classes.stream().limit(MOST_CLASSES).toList(), null));
      }
      for (ExploredRun.NamedProbe one : run.pixelProbes()) {
        all.add(new HeadAnswers(one.name(), null, map(image, start, later, one)));
      }
      return List.copyOf(all);
    }
  }

  /** Heads of whole images: the words, and probes. */
  private Map<String, AnswerHead> heads(@Nullable List<String> words) {
    Map<String, AnswerHead> heads = new LinkedHashMap<>();
    if (words != null && !words.isEmpty()) heads.put("words", texts.head(words));
    heads.putAll(run.heads());
    return heads;
  }

  private PatchMap map(
      OpenImage image, @Nullable Paused start, Hooks later, ExploredRun.NamedProbe named) {
    Probe probe = named.probe();
    HookPoint end = HookPoint.residPost(probe.reads().layer());
    int[] before =
        image.maps.computeIfAbsent(
            named.name(), name -> patches(before(image, end), end, Hooks.NONE, probe));
    // An edit after what the head reads changes nothing.
    boolean reached = start != null && start.at().compareTo(end) <= 0;
    int[] after = reached ? patches(Objects.requireNonNull(start), end, later, probe) : before;
    return new PatchMap(probe.classes(), bytes(before), bytes(after));
  }

  /** The kept residual that is nearest before a hook point. */
  private static Paused before(OpenImage image, HookPoint end) {
    var nearest = image.pauses.floorEntry(end);
    if (nearest != null) return nearest.getValue();
    throw new InputException(
        "the probe", "reads before the first SAE of the run", "Train SAEs on an earlier layer");
  }

  private int[] patches(Paused from, HookPoint end, Hooks hooks, Probe probe) {
    try (Scope scope = Scope.open()) {
      Paused there = from.at().equals(end) ? from : tower().continueUntil(from, end, hooks);
      return Probe.best(probe.patchLogits(tower(), there.value()), probe.classes().size());
    }
  }

  private static String bytes(int[] classes) {
    byte[] bytes = new byte[classes.length];
    for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) classes[i];
    return Base64.getEncoder().encodeToString(bytes);
  }

  /** The first edited hook point with the edit done: its codes are known. */
  private Paused start(OpenImage image, NavigableMap<HookPoint, EditedSites.SiteEdit> sites) {
    EditedSites.SiteEdit first = sites.firstEntry().getValue();
    Paused paused = Objects.requireNonNull(image.pauses.get(sites.firstKey()));
    int prefix = tower().config().prefixTokens();
    boolean[] mask = first.tokens().mask(prefix, (int) paused.value().size(1));
    EditSite all = new EditSite(sites.firstKey(), TokenMask.of(TokenSelection.ALL), prefix);
    Sae sae = run.saes().all().get(first.sae()).sae();
    var tokens =
        new EncodedTokens(paused.value(), all, Map.of(sae, image.encoded.get(first.sae())));
    float[] edited = new float[mask.length];
    for (int t = 0; t < mask.length; t++) edited[t] = mask[t] ? 1 : 0;
    Tensor added = first.site().added(tokens, first.strengths());
    return paused.with(tokens.plus(added.mulInPlace(Tensor.of(edited, mask.length, 1))));
  }

  /**
   * The change of a class's logit on an image, compared with the mean of all classes, and whether
   * the likeliest class became another.
   */
  record ImageChange(double logit, boolean flipped) {}

  /**
   * What an edit changes on an image that is not open.
   *
   * @param head whose answers
   * @param name of the class
   * @param seeds of random directions, which move each token as far
   * @return for the edit, then for each direction
   */
  List<ImageChange> changes(
      RgbImage decoded, PageEdit edit, String head, String name, List<Long> seeds) {
    AnswerHead answering = heads(edit.words()).get(head);
    if (answering == null || !answering.words().contains(name)) {
      throw new InputException(name, "is no class of " + head, "Reload the page");
    }
    NavigableMap<HookPoint, EditedSites.SiteEdit> sites = edited.of(edit);
    if (sites.isEmpty()) throw new InputException("the edit", "has no unit", "Add one");
    try (Scope scope = Scope.open()) {
      // The hook point before the first edit is shared by all passes.
      Paused start = tower().runUntil(pixels(decoded), sites.firstKey(), Hooks.NONE);
      TowerOutput without = tower().continueFrom(start, Hooks.NONE);
      List<ImageChange> all = new ArrayList<>();
      for (int k = -1; k < seeds.size(); k++) {
        Hooks later = Hooks.NONE;
        Paused first = start;
        for (var site : sites.entrySet()) {
          ResidualEdit one = k < 0 ? site.getValue().edit() : site.getValue().noise(seeds.get(k));
          if (site.getKey().equals(sites.firstKey())) {
            first = start.with(one.edit(site.getKey(), start.value()));
          } else {
            later = later.edit(site.getKey(), one);
          }
        }
        TowerOutput with = tower().continueFrom(first, later);
        all.add(change(Experiment.answers(without, with, answering), name));
      }
      return all;
    }
  }

  private static ImageChange change(List<Experiment.ClassAnswer> classes, String name) {
    Experiment.ClassAnswer before = classes.getFirst();
    Experiment.ClassAnswer after = classes.getFirst();
    double logit = 0;
    for (Experiment.ClassAnswer one : classes) {
      if (one.before() > before.before()) before = one;
      if (one.after() > after.after()) after = one;
      if (one.name().equals(name)) logit = one.logitChange();
    }
    return new ImageChange(logit, !before.name().equals(after.name()));
  }

  /** The largest activation of every feature of each SAE on an image that is not open. */
  List<float[]> maxima(RgbImage decoded) {
    List<float[]> all = new ArrayList<>();
    OpenImage image = read(decoded);
    try {
      for (int k = 0; k < image.codes.size(); k++) {
        Codes codes = image.codes.get(k);
        float[] most = new float[run.saes().all().get(k).sae().features()];
        for (int e = 0; e < codes.units().length; e++) {
          most[codes.units()[e]] = Math.max(most[codes.units()[e]], codes.values()[e]);
        }
        all.add(most);
      }
      return all;
    } finally {
      image.close();
    }
  }

  @Override
  public void close() {
    open.values().forEach(OpenImage::close);
    open.clear();
  }
}
