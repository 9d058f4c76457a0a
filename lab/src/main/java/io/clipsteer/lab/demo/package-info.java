// SPDX-License-Identifier: Apache-2.0
/** The main job on a generated model and generated pictures. */
@NullMarked
package io.clipsteer.lab.demo;

import org.jspecify.annotations.NullMarked;
