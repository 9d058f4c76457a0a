// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.EvaluationResult;
import io.clipsteer.data.wrong.Intruder;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The tables of docs/architecture.md: who may import whom. */
final class ArchitectureTest {
  private static final String OURS = "io.clipsteer.";
  private static final Map<String, List<String>> MAY_IMPORT =
      new TreeMap<>(
          Map.of(
              "data", List.of(),
              "kernels", List.of(),
              "engine", List.of("data", "kernels"),
              "world", List.of("data"),
              "lab", List.of("data", "engine", "world"),
              "explorer", List.of("data", "engine", "lab"),
              "cli", List.of("data", "kernels", "engine", "world", "lab", "explorer")));

  /** Libraries that one package alone may import. */
  private static final Map<String, String> OWNERS =
      new TreeMap<>(
          Map.of(
              "org.bytedeco..", OURS + "engine",
              "jdk.incubator.vector..", OURS + "kernels",
              "ai.djl..", OURS + "engine.checkpoint",
              "org.duckdb..", OURS + "lab.index",
              "java.sql..", OURS + "lab.index",
              "io.javalin..", OURS + "explorer"));

  /** Kinds of SAEs: what one computes ({@code SaeActivation}) and how one is trained. */
  private static final Set<String> SAME_NAMES = Set.of("JumpRelu", "Relu", "TopK");

  /** Reading them takes seconds: once for all tests of a JVM. */
  static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .withImportOption(location -> !location.contains("-tests.jar"))
          .importPackages("io.clipsteer");

  private static ArchRule table(String module) {
    String[] forbidden =
        MAY_IMPORT.keySet().stream()
            .filter(other -> !other.equals(module))
            .filter(other -> !MAY_IMPORT.getOrDefault(module, List.of()).contains(other))
            .map(other -> OURS + other + "..")
            .toArray(String[]::new);
    return noClasses()
        .that()
        .resideInAPackage(OURS + module + "..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(forbidden);
  }

  private static ArchRule owned(String library, String owner) {
    return noClasses()
        .that()
        .resideOutsideOfPackage(owner)
        .should()
        .dependOnClassesThat()
        .resideInAPackage(library);
  }

  private static String module(JavaClass type) {
    return type.getPackageName().substring(OURS.length()).split("\\.")[0];
  }

  @Test
  void everyModuleIsSeen() {
    Map<String, Long> counts =
        CLASSES.stream()
            .collect(Collectors.groupingBy(ArchitectureTest::module, Collectors.counting()));
    assertEquals(MAY_IMPORT.keySet(), new TreeMap<>(counts).keySet());
    counts.forEach((module, count) -> assertTrue(count > 3, module + " has " + count));
    assertFalse(CLASSES.contain(Intruder.class), "tests are left out");
  }

  @Test
  void modulesImportWhatTheTableAllows() {
    for (String module : MAY_IMPORT.keySet()) {
      if (!module.equals("cli")) table(module).check(CLASSES);
    }
  }

  @Test
  void librariesHaveOneOwner() {
    OWNERS.forEach(
        (library, owner) -> {
          owned(library, owner).check(CLASSES);
          // The owner does use it: a rule over a name that is misspelt would pass as well.
          String prefix = library.replace("..", ".");
          boolean used =
              CLASSES.stream()
                  .filter(type -> type.getPackageName().equals(owner))
                  .flatMap(type -> type.getDirectDependenciesFromSelf().stream())
                  .anyMatch(d -> d.getTargetClass().getName().startsWith(prefix));
          assertTrue(used, owner + " imports no " + library);
        });
  }

  @Test
  void packagesHaveNoCycles() {
    slices().matching("io.clipsteer.(**)").should().beFreeOfCycles().check(CLASSES);
  }

  /** {@code packages.txt}: a package, a colon, and every package of ours that it imports. */
  @Test
  void packagesImportWhatTheTableSays() throws IOException {
    SortedMap<String, SortedSet<String>> found = new TreeMap<>();
    for (JavaClass type : CLASSES) {
      SortedSet<String> imports =
          found.computeIfAbsent(
              type.getPackageName().substring(OURS.length()), p -> new TreeSet<>());
      for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
        String target = dependency.getTargetClass().getPackageName();
        if (!target.startsWith(OURS) || target.equals(type.getPackageName())) continue;
        imports.add(target.substring(OURS.length()));
      }
    }
    String table =
        found.entrySet().stream()
            .map(e -> (e.getKey() + ": " + String.join(" ", e.getValue())).strip())
            .collect(Collectors.joining("\n", "", "\n"));
    try (InputStream in = ArchitectureTest.class.getResourceAsStream("packages.txt")) {
      assertEquals(new String(in.readAllBytes(), StandardCharsets.UTF_8), table);
    }
  }

  /**
   * Names that stand alone: a reader who meets one in a message, a stack trace or a search finds
   * one type. Private types nested in others are known by their outer type.
   */
  @Test
  void typesHaveNamesOfTheirOwn() {
    Map<String, List<String>> byName =
        CLASSES.stream()
            .filter(type -> !type.isAnonymousClass() && !type.isLocalClass())
            .filter(
                type ->
                    !type.getSimpleName().isEmpty() && !type.getSimpleName().equals("package-info"))
            .filter(
                type ->
                    !(type.isNestedClass() && type.getModifiers().contains(JavaModifier.PRIVATE)))
            .collect(
                Collectors.groupingBy(
                    JavaClass::getSimpleName,
                    TreeMap::new,
                    Collectors.mapping(JavaClass::getName, Collectors.toList())));
    byName.values().removeIf(types -> types.size() == 1);
    assertEquals(SAME_NAMES, byName.keySet(), byName.toString());
  }

  @Test
  void aWrongImportIsSeen() {
    JavaClasses wrong = new ClassFileImporter().importClasses(Intruder.class);
    for (ArchRule rule :
        Arrays.asList(
            table("data"),
            owned("org.bytedeco..", OURS + "engine"),
            owned("ai.djl..", OURS + "engine.checkpoint"))) {
      EvaluationResult result = rule.evaluate(wrong);
      assertTrue(result.hasViolation(), rule.getDescription());
      assertTrue(result.getFailureReport().toString().contains("Intruder"));
    }
  }
}
