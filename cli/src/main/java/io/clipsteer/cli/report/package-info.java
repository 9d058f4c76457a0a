// SPDX-License-Identifier: Apache-2.0
/** A run as one HTML file: what its tables say, with images and charts, and nothing loaded. */
@NullMarked
package io.clipsteer.cli.report;

import org.jspecify.annotations.NullMarked;
