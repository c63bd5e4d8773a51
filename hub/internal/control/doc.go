// Package control is what only the hub's own machine may ask of it, over a unix
// socket in the hub's folder: a backup. Whoever connects has to be root or the
// user that the hub runs as; the kernel says who it is.
package control
