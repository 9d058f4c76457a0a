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
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.junit.jupiter.api.Test;

/** Types that programs may use: marked {@code @API}, named in docs/java.md, closed under use. */
final class ApiTest {
  private static final Path PAGE =
      Path.of(System.getProperty("clipsteer.root", "..")).resolve("docs/java.md");

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
}
