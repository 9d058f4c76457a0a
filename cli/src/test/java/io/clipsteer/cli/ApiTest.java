// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaModifier;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Types that programs may use: marked {@code @API}, named in docs/java.md, closed under use. */
final class ApiTest {
  private static final Path PAGE =
      Path.of(System.getProperty("clipsteer.root", "..")).resolve("docs/java.md");

  /** The module in the place of a class: a folder of classes, or a jar. */
  private static final Pattern MODULE =
      Pattern.compile("/(?:clipsteer-)?(\\w+)(?:/target/classes/|-[^/]*\\.jar!)");

  private static Stream<JavaClass> of(API.Status status) {
    return ArchitectureTest.CLASSES.stream()
        .filter(type -> type.isAnnotatedWith(API.class))
        .filter(type -> type.getAnnotationOfType(API.class).status() == status);
  }

  /** The status of the type, or of the type that it is nested in. */
  private static boolean isMarked(JavaClass type) {
    JavaClass outer = type.getBaseComponentType();
    while (outer.getEnclosingClass().isPresent()) outer = outer.getEnclosingClass().get();
    return outer.isAnnotatedWith(API.class);
  }

  private static Stream<JavaClass> used(JavaClass type) {
    return type.getCodeUnits().stream()
        .filter(unit -> unit.getModifiers().contains(JavaModifier.PUBLIC))
        .flatMap(ApiTest::used);
  }

  private static Stream<JavaClass> used(JavaCodeUnit unit) {
    return Stream.concat(
        unit.getReturnType().getAllInvolvedRawTypes().stream(),
        unit.getParameterTypes().stream().flatMap(p -> p.getAllInvolvedRawTypes().stream()));
  }

  @Test
  void maintainedTypesLeadToMarkedTypesAlone() {
    SortedSet<String> unmarked = new TreeSet<>();
    of(API.Status.MAINTAINED)
        .forEach(
            type ->
                used(type)
                    .filter(one -> one.getBaseComponentType().getName().startsWith("io.clipsteer."))
                    .filter(one -> !isMarked(one))
                    .forEach(one -> unmarked.add(type.getSimpleName() + " -> " + one.getName())));
    assertEquals(new TreeSet<>(), unmarked);
  }

  @Test
  void thePageNamesThem() throws IOException {
    Set<String> maintained =
        of(API.Status.MAINTAINED).map(JavaClass::getSimpleName).collect(Collectors.toSet());
    assertTrue(
        maintained.containsAll(
            Set.of("ClipModel", "SteeredClip", "Sae", "Edit", "Probe", "FeatureSearch")),
        maintained.toString());
    String page = Files.readString(PAGE);
    for (String name : maintained) assertTrue(page.contains("`" + name + "`"), name);
  }

  /**
   * The packages that a descriptor exports to all, and those that it exports to our own modules.
   */
  private record Exports(SortedSet<String> all, SortedSet<String> ours) {
    static Exports none() {
      return new Exports(new TreeSet<>(), new TreeSet<>());
    }

    static Exports read(Path descriptor) throws IOException {
      Exports exports = none();
      Matcher line =
          Pattern.compile("exports ([\\w.]+)(\\s+to\\s+([\\w.,\\s]+))?;")
              .matcher(Files.readString(descriptor));
      while (line.find()) {
        if (line.group(2) == null) {
          exports.all.add(line.group(1));
          continue;
        }
        for (String to : line.group(3).split(",\\s*")) {
          exports.ours.add(line.group(1) + " to " + to.strip());
        }
      }
      return exports;
    }
  }

  private static String module(JavaClass type) {
    return type.getSource()
        .map(source -> MODULE.matcher(source.getUri().toString()))
        .filter(Matcher::find)
        .map(found -> found.group(1))
        .orElse("");
  }

  /** A package with a marked type is for all; another is for those of our modules that use it. */
  @ParameterizedTest
  @ValueSource(strings = {"data", "kernels", "engine", "world", "lab"})
  void aDescriptorExportsWhatIsMarkedAndWhatIsUsed(String module) throws IOException {
    Exports expected = Exports.none();
    for (JavaClass type : ArchitectureTest.CLASSES) {
      if (!module(type).equals(module)) continue;
      if (type.isAnnotatedWith(API.class)) expected.all.add(type.getPackageName());
      for (var use : type.getDirectDependenciesToSelf()) {
        String by = module(use.getOriginClass());
        if (by.isEmpty() || by.equals(module)) continue;
        expected.ours.add(type.getPackageName() + " to io.clipsteer." + by);
      }
    }
    expected.ours.removeIf(one -> expected.all.contains(one.substring(0, one.indexOf(' '))));
    Exports actual =
        Exports.read(
            PAGE.resolveSibling("../" + module + "/src/module/java/module-info.java").normalize());
    // These two are not on the class path here.
    actual.ours.removeIf(one -> one.matches(".* to io\\.clipsteer\\.(bench|cluster)"));
    assertEquals(expected, actual);
  }
}
